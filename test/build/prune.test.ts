/** `builder du` and `builder prune` over a store with builds in it. */
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { listCacheUnits } from '../../lib/build/cache-units.js';
import { pruneCache } from '../../lib/build/prune.js';
import { sweep } from '../../lib/image/sweep.js';
import { testWith } from '../helpers/declare.js';
import { Builder, missingForBuilds } from './builder.js';

const megabyte = 'head -c 1000000 /dev/zero';
const twoStages = `FROM localhost/busybox AS made\nRUN ${megabyte} >/left\nRUN echo small >/small\nFROM localhost/busybox\nCOPY --from=made /small /small\n`;

testWith(missingForBuilds, 'what only the cache keeps is reclaimable, with its size', async (t) => {
  const builder = await Builder.open(t);
  await builder.make(twoStages);
  const units = (await listCacheUnits(builder.stores)).filter(({ kind }) => kind === 'regular');
  const row = (text: string): readonly unknown[] | undefined =>
    units
      .filter(({ description }) => description.includes(text))
      .map(({ reclaimable, bytes }) => [reclaimable, bytes])[0];
  t.deepEqual(row('/left'), [true, 1_000_000]);
  t.deepEqual(row('echo small'), [true, 6]);
  t.is(row('COPY --from')?.[0], false);
});

testWith(missingForBuilds, 'a prune frees what no image needs, and the image stays whole', async (t) => {
  const builder = await Builder.open(t);
  const { image } = await builder.make(twoStages);
  const before = await builder.tree(image);
  builder.stores.staging.close();
  const { bytes, busy, pruned } = await pruneCache(builder.stores, {});
  t.false(busy);
  t.true(bytes >= 1_000_006);
  t.true(pruned.every(({ reclaimable }) => reclaimable));
  t.deepEqual(await builder.tree(image), before);
  // The COPY is known by what it copied, and its layer is the image's.
  const again = await builder.make(twoStages);
  t.is(again.cached, 1);
  t.is(again.image.id, image.id);
});

testWith(missingForBuilds, 'with all, the cache is empty, and what images keep stays', async (t) => {
  const builder = await Builder.open(t);
  const { image } = await builder.make(twoStages);
  await builder.stores.close();
  await pruneCache(builder.stores, { all: true });
  t.deepEqual(readdirSync(join(builder.stores.paths.build, 'cache')), []);
  t.is(await builder.text(image, 'small'), 'small\n');
});

testWith(missingForBuilds, 'a step used again counts as used, with all that it lies on', async (t) => {
  const builder = await Builder.open(t);
  await builder.make('FROM localhost/busybox\nRUN echo one >/one\nRUN echo two >/two\n');
  const between = Date.now();
  await builder.make('FROM localhost/busybox\nRUN echo one >/one\nRUN echo two >/two\n');
  const units = (await listCacheUnits(builder.stores)).filter(({ description }) =>
    description.includes('echo'),
  );
  t.is(units.length, 2);
  for (const { lastUsed } of units) t.true(lastUsed >= between - 10);
});

testWith(missingForBuilds, 'while a build runs, a prune forgets but frees nothing', async (t) => {
  const builder = await Builder.open(t);
  await builder.make(twoStages);
  await builder.stores.close();
  const lease = builder.stores.staging.lease();
  const { busy, bytes } = await pruneCache(builder.stores, {});
  t.true(busy);
  t.true(bytes < 1_000_000);
  lease.release();
  await builder.stores.close();
  t.true((await sweep(builder.stores, { buildCache: 'keep' })).snapshots.length > 0);
});

testWith(
  missingForBuilds,
  'notes that are old, or of layers that are gone, go; all of them with all',
  async (t) => {
    const builder = await Builder.open(t);
    const { snapshots, paths, content, images } = builder.stores;
    const { build } = paths;
    const layer = snapshots
      .list()
      .find(({ diffId, chainId }) => diffId !== undefined && chainId !== undefined);
    const { id = '', diffId = '', chainId = '' } = layer ?? {};
    const [entry] = images.entries();
    const [manifest = '', ...blobs] = [entry?.descriptor.digest, ...content.list()];
    const hex = (digest: string): string => digest.replace('sha256:', '');
    const kept = [
      `compressed/${hex(diffId)}.json`,
      `exported/${id}-gzip-6.json`,
      `files/${hex(chainId)}.json`,
      `partial/${hex(manifest)}.json`,
      `signatures/${hex(blobs[0] ?? '')}.json`,
    ];
    const ofNothing = ['compressed', 'files', 'partial', 'signatures'].map(
      (kind) => `${kind}/${'a'.repeat(64)}.json`,
    );
    const notes = ['urls/new.json', 'urls/old.json', 'contexts/old.json', ...kept, ...ofNothing];
    for (const name of [...notes, `exported/${'a'.repeat(26)}-gzip-6.json`]) {
      const path = join(build, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, '{}');
      if (name.includes('old')) utimesSync(path, 1, 1);
    }
    const left = (): readonly string[] =>
      ['urls', 'contexts', ...kept.map(dirname)].flatMap((kind) =>
        readdirSync(join(build, kind)).map((name) => `${kind}/${name}`),
      );
    await pruneCache(builder.stores, { kinds: ['regular'] });
    t.deepEqual(left(), ['urls/new.json', ...kept]);
    await pruneCache(builder.stores, { all: true });
    t.deepEqual(left(), kept);
  },
);
