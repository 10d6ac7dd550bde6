/**
 * Damaged archives: whatever the bytes, the reader ends with entries or with an error of ours, quickly and in
 * bounded memory. Seeded: `FUZZ_SEED` repeats a run, `FUZZ_SECONDS` makes it longer.
 */
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { formatPax } from '../../lib/layer/pax.js';
import { defaultTarLimits } from '../../lib/layer/tar-entry.js';
import { TarParser } from '../../lib/layer/tar-parser.js';
import { entryBytes, extendedBytes, rawBlock, tarOf } from '../layer/tar-builder.js';

const seconds = Number(process.env.FUZZ_SECONDS ?? 2);
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31);
const limits = { ...defaultTarLimits, bytes: 64 * 1024 * 1024, entries: 10_000 };

/** A small generator with a seed, so that a failure can be repeated. */
function randomFrom(start: number): (below: number) => number {
  let state = start >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const end = Buffer.alloc(1024);
const sparseRecords = new Map(
  ['map=0,3,8,1', 'size=10', 'name=real'].map((text) => {
    const [key = '', value = ''] = text.split('=');
    return [`GNU.sparse.${key}`, Buffer.from(value)] as const;
  }),
);
const seeds: readonly Buffer[] = [
  tarOf(
    { path: 'a/', type: 'directory' },
    { path: 'a/b', content: 'x'.repeat(700) },
    { path: 'c', type: 'link', linkTarget: 'a/b' },
  ),
  tarOf({ path: 'n'.repeat(200), xattrs: { 'user.a': 'value' }, mtime: { s: -1, ns: 5 }, uid: 4_000_000 }),
  Buffer.concat([
    extendedBytes('L', `${'x'.repeat(300)}\0`),
    extendedBytes('K', 'target\0'),
    rawBlock({ flag: '2' }),
    end,
  ]),
  Buffer.concat([
    extendedBytes('x', formatPax(sparseRecords)),
    rawBlock({ size: '00000000004' }),
    Buffer.alloc(512, 'd'),
    end,
  ]),
  Buffer.concat([extendedBytes('g', '10 a=bcd\n\n'.slice(0, 9)), entryBytes({ path: 'z' }), end]),
];

function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  let mutated = Buffer.from(bytes);
  for (let count = random(6) + 1; count > 0; count--) {
    const at = random(mutated.length);
    const kind = random(6);
    if (kind === 0) mutated[at] = random(256);
    else if (kind === 1) mutated[at] = (mutated[at] ?? 0) ^ (1 << random(8));
    else if (kind === 2) mutated = mutated.subarray(0, at + 1);
    else if (kind === 3)
      mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(random(mutated.length))]);
    else if (kind === 4) mutated.write(String(random(2 ** 31)), at, 'latin1');
    else fixChecksums(mutated);
  }
  if (random(2) === 0) fixChecksums(mutated);
  return mutated;
}

/** Makes every block's sum right, so that damage gets past the first check. */
function fixChecksums(bytes: Buffer): void {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    bytes.fill(0x20, at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
}

function parse(bytes: Buffer, chunkSize: number): { entries: number; content: number } {
  const seen = { entries: 0, content: 0 };
  let expected = 0;
  const parser = new TarParser(
    {
      entry: (header) => {
        seen.entries++;
        expected = header.size;
      },
      data: (chunk) => {
        seen.content += chunk.length;
        expected -= chunk.length;
      },
      end: () => {
        if (expected !== 0) throw new Error(`an entry's content is ${expected} bytes off`);
      },
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += chunkSize) parser.push(bytes.subarray(at, at + chunkSize));
  parser.finish();
  return seen;
}

function outcome(bytes: Buffer, chunkSize: number): string {
  try {
    return JSON.stringify(parse(bytes, chunkSize));
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return error.message;
    throw error;
  }
}

test(`S24: damaged archives end well (FUZZ_SEED=${seed})`, (t) => {
  const random = randomFrom(seed);
  const until = Date.now() + seconds * 1000;
  let runs = 0;
  for (; Date.now() < until; runs++) {
    const bytes = mutate(seeds[random(seeds.length)] ?? Buffer.alloc(0), random);
    const whole = outcome(bytes, bytes.length + 1);
    t.is(outcome(bytes, random(700) + 1), whole, 'the cut into chunks changes the outcome');
  }
  t.true(runs > 100);
  t.log(`${runs} archives`);
});
