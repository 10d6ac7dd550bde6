/** Changesets made in memory shared with the file agent: blocks that end anywhere, that run out, that are left in the middle. */
import { createHash } from 'node:crypto';
import { ftruncateSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { CoracleError, hasErrno } from '../../lib/errors.js';
import { giveBack } from '../../lib/host/lent.js';
import { archiveBlock, BlockRing } from '../../lib/layer/block-ring.js';
import { diffTar, measureLayer } from '../../lib/layer/diff.js';
import { missingAgent, TestLayers } from './layer-fixture.js';
import { collect, type Sketch, tarOf } from './tar-builder.js';

const missing = missingAgent();
const layersTest = missing === undefined ? test : test.skip;

const directory = (path: string): Sketch => ({ path, type: 'directory', mode: 0o755 });

/** Bytes that differ from block to block. */
function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at += 32)
    createHash('sha256').update(`${seed}/${at}`).digest().copy(bytes, at);
  return bytes;
}

const lent = { lend: true } as const;

layersTest('files larger than a block, and ends at and around the end of one', async (t) => {
  const around = [-513, -512, -511, -1, 0, 1, 511, 512, 513];
  for (const extra of around) {
    const layers = new TestLayers(t);
    // the header before it, and the end of the archive behind it
    const tar = tarOf(
      { path: 'a', content: noise(archiveBlock - 512 + extra, extra) },
      { path: 'b', content: noise(3 * archiveBlock + 7, extra) },
      { path: 'c', content: noise(3) },
    );
    await layers.apply(tar);
    t.true((await layers.diff()).equals(tar), String(extra));
  }
});

layersTest('headers that go over the end of a block', async (t) => {
  const layers = new TestLayers(t);
  const long = 'n'.repeat(200);
  const files = Array.from({ length: 9 }, (_, index) => ({
    path: `d/${long}-${index}`,
    content: noise(archiveBlock / 4 + 512 * index, index),
  }));
  const tar = tarOf(directory('d/'), ...files);
  await layers.apply(tar);
  t.true((await layers.diff()).equals(tar));
});

layersTest('more entries than one part of a walk', async (t) => {
  const layers = new TestLayers(t);
  const names = Array.from({ length: 2600 }, (_, index) => String(index).padStart(5, '0'));
  const tar = tarOf(
    directory('a/'),
    directory('a/b/'),
    ...names.map((name) => ({ path: `a/b/${name}`, content: Buffer.from(name) })),
    directory('a/c/'),
    { path: 'z', content: Buffer.from('end') },
  );
  await layers.apply(tar);
  t.true((await layers.diff()).equals(tar));
});

layersTest('a sparse file comes with its holes as zeros', async (t) => {
  const layers = new TestLayers(t);
  await layers.push();
  const path = join(layers.pathOf(0), 'sparse');
  const file = openSync(path, 'w');
  writeSync(file, 'data', 3 * archiveBlock + 5);
  ftruncateSync(file, 5 * archiveBlock);
  const tar = await layers.diff();
  t.is(tar.length, 512 + 5 * archiveBlock + 1024);
  t.is(tar.toString('latin1', 512 + 3 * archiveBlock + 5).slice(0, 5), 'data\0');
});

layersTest('a file of more than 8 GiB has its size in an extended header', async (t) => {
  const layers = new TestLayers(t);
  await layers.push();
  const size = 9 * 1024 ** 3 + 1;
  const path = join(layers.pathOf(0), 'huge');
  writeFileSync(path, 'begin');
  truncateSync(path, size);
  for await (const piece of diffTar(await layers.topInBlocks(), lent)) {
    t.true(piece.subarray(512, 1024).includes(`size=${size}\n`));
    t.is(piece.toString('latin1', 1536, 1541), 'begin');
    giveBack(piece);
    break;
  }
});

layersTest('a file that becomes shorter is an error, and the memory is free again', async (t) => {
  const layers = new TestLayers(t);
  await layers.apply(tarOf({ path: 'big', content: noise(12 * archiveBlock) }));
  const path = join(layers.pathOf(0), 'big');
  const source = await layers.topInBlocks();
  const error = await t.throwsAsync(
    async () => {
      for await (const piece of diffTar(source, lent)) {
        truncateSync(path, archiveBlock);
        giveBack(piece);
      }
    },
    { instanceOf: CoracleError, code: 'IO' },
  );
  t.true(hasErrno(error?.cause, 'ESTALE'), error?.message);
  t.is(statSync(path).size, archiveBlock);
  t.is((await collect(diffTar(source))).length, 512 + archiveBlock + 1024);
});

layersTest('a reader that leaves early leaves no memory behind', async (t) => {
  const layers = new TestLayers(t);
  const tar = tarOf({ path: 'big', content: noise(9 * archiveBlock) });
  await layers.apply(tar);
  const source = await layers.topInBlocks();
  for (let round = 0; round < 5; round++) {
    for await (const piece of diffTar(source, lent)) {
      giveBack(piece);
      break;
    }
  }
  t.true((await collect(diffTar(source))).equals(tar));
});

layersTest('two changesets at once share the memory', async (t) => {
  const layers = new TestLayers(t);
  const tar = tarOf({ path: 'big', content: noise(7 * archiveBlock + 100) });
  await layers.apply(tar);
  const source = await layers.topInBlocks();
  const [one, other] = await Promise.all([measureLayer(source), measureLayer(source)]);
  t.deepEqual(one, other);
  t.is(one.size, tar.length);
  t.is(String(one.diffId), `sha256:${createHash('sha256').update(tar).digest('hex')}`);
});

test('a block that is given back is taken again, by whoever waits first', async (t) => {
  const ring = new BlockRing(Buffer.alloc(2 * archiveBlock + 5));
  const [one, two] = [await ring.take(), await ring.take()];
  t.false(ring.hasFree);
  t.deepEqual([one.bytes.length, two.bytes.length], [archiveBlock, archiveBlock]);
  t.not(one.at, two.at);
  const waiting = [ring.take(), ring.take()];
  one.release();
  one.release();
  t.is((await waiting[0])?.at, one.at);
  t.false(ring.hasFree);
  two.release();
  t.is((await waiting[1])?.at, two.at);
});

layersTest('any sizes give the bytes of the stream', async (t: ExecutionContext) => {
  const sizes = fc.array(
    fc.oneof(
      fc.nat(2000),
      fc.nat(3 * archiveBlock),
      fc.integer({ min: -600, max: 600 }).map((by) => archiveBlock + by),
    ),
    { maxLength: 6 },
  );
  await fc.assert(
    fc.asyncProperty(sizes, async (found) => {
      const layers = new TestLayers(t);
      const tar = tarOf(
        ...found.map((size, index) => ({
          path: `${index}`.repeat(1 + index * 40),
          content: noise(size, index),
        })),
      );
      await layers.apply(tar);
      t.true((await layers.diff()).equals(tar));
    }),
    { numRuns: 8 },
  );
});
