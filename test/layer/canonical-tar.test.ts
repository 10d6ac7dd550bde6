/** Archives that their files give again are told from those they do not, by the archive alone. */
import test from 'ava';
import fc from 'fast-check';
import { applyLayer } from '../../lib/layer/apply.js';
import { CanonicalTar, type TarForm } from '../../lib/layer/canonical-tar.js';
import { readTar } from '../../lib/layer/tar-reader.js';
import { encodeTrailer } from '../../lib/layer/tar-writer.js';
import { testWith } from '../helpers/declare.js';
import { missingAgent, TestLayers } from './layer-fixture.js';
import { chunked, entryBytes, type Sketch, tarOf } from './tar-builder.js';

const directory = (path: string, rest: Partial<Sketch> = {}): Sketch => {
  return { mode: 0o755, ...rest, path, type: 'directory' };
};

const good: readonly Sketch[] = [
  directory('a/', { mode: 0o1777 }),
  { path: 'a/file', content: 'hello' },
  { path: 'a/link', type: 'link', linkTarget: 'a/file' },
  directory('a/sub/'),
  { path: 'a/sub/soft', type: 'symlink', mode: 0o777, linkTarget: '../file' },
  { path: 'a.b', content: Buffer.alloc(1024, 'x'), xattrs: { 'user.note': 'kept' } },
  { path: `b${'n'.repeat(150)}`, content: 'long' },
];

async function formOf(tar: Buffer, chunk?: number): Promise<TarForm> {
  const check = new CanonicalTar();
  for await (const _entry of readTar(chunked(tar, chunk), undefined, check));
  return check.finish();
}

test('an archive in the order and form of a walk is certain, whatever its chunks', async (t) => {
  for (const chunk of [1, 100, 512, 65_536])
    t.is(await formOf(tarOf(...good), chunk), 'canonical', `${chunk}`);
});

const foreign: Readonly<Record<string, Buffer>> = {
  'names out of order': tarOf({ path: 'b' }, { path: 'a' }),
  'a directory after what is in it': tarOf({ path: 'a/file' }, directory('a/')),
  'a directory that is not said': tarOf({ path: 'a/file' }),
  'the same name twice': tarOf({ path: 'a', content: '1' }, { path: 'a', content: '2' }),
  'a name that is written otherwise': tarOf({ path: './a' }),
  'the root': tarOf(directory('./')),
  'no end': entryBytes({ path: 'a' }),
  'more zeros after the end': Buffer.concat([tarOf({ path: 'a' }), Buffer.alloc(8192)]),
  'something after the end': Buffer.concat([tarOf({ path: 'a' }), Buffer.from('x')]),
  'padding that is not zero': Buffer.concat([
    entryBytes({ path: 'a', content: 'x' }).fill('y', 600, 700),
    encodeTrailer(),
  ]),
};

const uncertain: Readonly<Record<string, Buffer>> = {
  'a deleted file': tarOf({ path: '.wh.a' }),
  'parts of seconds': tarOf({ path: 'a', mtime: { s: 1, ns: 5 } }),
  'a device': tarOf({ path: 'a', type: 'char', major: 1, minor: 3 }),
  'a symbolic link with a mode': tarOf({ path: 'a', type: 'symlink', linkTarget: 'b', mode: 0o644 }),
  'an attribute that stays behind': tarOf({ path: 'a', xattrs: { 'trusted.x': '1' } }),
  'a hard link before its file': tarOf({ path: 'a', type: 'link', linkTarget: 'b' }, { path: 'b' }),
  'a hard link that says another mode': tarOf(
    { path: 'a' },
    { path: 'b', type: 'link', linkTarget: 'a', mode: 0o600 },
  ),
};

for (const [title, tar] of Object.entries(foreign)) {
  test(`an archive with ${title} is foreign, whatever its chunks`, async (t) => {
    for (const chunk of [1, 512, 65_536]) t.is(await formOf(tar, chunk), 'foreign', `${chunk}`);
  });
}
for (const [title, tar] of Object.entries(uncertain)) {
  test(`it is not certain of ${title}`, async (t) => t.is(await formOf(tar), 'uncertain'));
}

const names = fc.constantFrom('a', 'b', 'a/b', 'a/c', 'b/a', 'a.b', 'a/b/c', './a');
const sketches = fc.array(
  fc.record({
    path: names,
    type: fc.constantFrom('file', 'file', 'directory', 'symlink', 'link', 'fifo'),
    linkTarget: names,
    mode: fc.constantFrom(0o644, 0o777),
    size: fc.integer({ min: 0, max: 600 }),
  }),
  { maxLength: 6 },
);

testWith(
  [missingAgent()],
  'what is canonical is made again from the files, and what is foreign is not',
  async (t) => {
    const seen = { canonical: 0, foreign: 0, uncertain: 0 };
    await fc.assert(
      fc.asyncProperty(sketches, fc.boolean(), async (drawn, sorted) => {
        const order = sorted ? [...drawn].sort((one, other) => (one.path < other.path ? -1 : 1)) : drawn;
        const tar = tarOf(
          ...order.map(({ path, type, linkTarget, mode, size }): Sketch => {
            if (type === 'directory') return directory(`${path}/`, { mode });
            if (type === 'file') return { path, mode, content: Buffer.alloc(size, path) };
            return type === 'fifo' ? { path, type, mode } : { path, type, mode, linkTarget };
          }),
        );
        const lone = new TestLayers(t);
        const handle = await lone.push();
        const target = { agent: lone.agent, handle, idMap: lone.idMap };
        const applied = await applyLayer(chunked(tar), target, { compare: true }).catch(() => undefined);
        if (applied !== undefined) {
          seen[applied.form]++;
          const same = (await lone.diff()).equals(tar);
          t.not(applied.form, same ? 'foreign' : 'canonical', JSON.stringify(drawn));
        }
        await lone.agent.close();
      }),
      { numRuns: 200 },
    );
    t.true(seen.canonical > 5 && seen.foreign > 5);
  },
);
