/** Whatever is local, the parts of a plan make the archive again. */
import test from 'ava';
import fc from 'fast-check';
import type { ChunkedFile, ChunkedLayout } from '../../lib/chunked/layout.js';
import { planArchive } from '../../lib/chunked/plan.js';
import { parseDigest } from '../../lib/oci/digest.js';

const digest = parseDigest(`sha256:${'a'.repeat(64)}`, 'test');

/** A blob that is its own archive: files of these sizes, each after a header of its size. */
function layoutOf(
  sizes: readonly (readonly [header: number, size: number])[],
  kind: 'bare' | 'split' | 'trailing',
): { readonly layout: ChunkedLayout; readonly archive: Buffer } {
  const files: ChunkedFile[] = [];
  const literals: Buffer[] = [];
  const pieces: Buffer[] = [];
  let at = 0;
  for (const [index, [header, size]] of sizes.entries()) {
    const literal = Buffer.alloc(header, `h${index}`);
    literals.push(literal);
    pieces.push(literal, Buffer.alloc(size, `f${index}`));
    files.push({ path: `${index}`, digest, size, start: at + header, end: at + header + size });
    at += header + size;
  }
  literals.push(Buffer.from('the end'));
  const archive = Buffer.concat([...pieces, Buffer.from('the end')]);
  const ends = files.map((file, index) => {
    return kind === 'trailing' ? { ...file, end: files[index + 1]?.start ?? archive.length } : file;
  });
  const known = kind === 'bare' ? {} : { literals };
  const trailing = kind === 'trailing';
  return { layout: { compression: 'zstd', files: ends, end: archive.length, trailing, ...known }, archive };
}

const shapes = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 60 })), {
  maxLength: 12,
});

test('the parts are the archive, and no range is asked for twice', (t) => {
  fc.assert(
    fc.property(
      shapes,
      fc.constantFrom('bare', 'split', 'trailing'),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      fc.integer({ min: 1, max: 50 }),
      (sizes, kind, local, gap) => {
        const { layout, archive } = layoutOf(sizes, kind);
        const isLocal = (file: ChunkedFile): boolean => local[Number(file.path)] === true;
        const plan = planArchive(layout, { isLocal, gap, ranges: 3 });
        const made = plan.parts.map((part) => {
          if (part.kind === 'literal') return part.bytes;
          if (part.kind === 'local') return Buffer.alloc(part.file.size, `f${part.file.path}`);
          return archive.subarray(part.start, part.end);
        });
        t.true(Buffer.concat(made).equals(archive), `${kind} ${JSON.stringify(sizes)}`);
        t.true(plan.ranges <= 3);
        t.true(plan.parts.every((part) => part.kind !== 'local' || isLocal(part.file)));
      },
    ),
    { numRuns: 500 },
  );
});

test('what is here is not fetched, where it is larger than a request is worth', (t) => {
  const { layout } = layoutOf(
    [
      [5, 100],
      [5, 10],
      [5, 100],
    ],
    'split',
  );
  const plan = planArchive(layout, { isLocal: ({ path }) => path !== '1', gap: 50, ranges: 10 });
  t.is(plan.fetched, 10);
  t.is(planArchive(layout, { isLocal: ({ path }) => path === '1', gap: 50, ranges: 10 }).ranges, 1);
});
