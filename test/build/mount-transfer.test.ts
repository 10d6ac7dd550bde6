/** Cache mounts that are left in a directory and taken from there by another store. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { layoutTarget } from '../../lib/build/cache-layout.js';
import type { CacheMount, CacheMountIdentity } from '../../lib/build/cache-mounts.js';
import { CacheMounts } from '../../lib/build/cache-mounts.js';
import { parseMountsDestination } from '../../lib/build/cache-request.js';
import { listCacheUnits } from '../../lib/build/cache-units.js';
import { exportMounts } from '../../lib/build/mount-transfer.js';
import { pruneCache } from '../../lib/build/prune.js';
import { openInStore } from '../../lib/image/stores.js';
import { flattenTar } from '../../lib/layer/diff.js';
import { testWith } from '../helpers/declare.js';
import { temporaryDirectory } from '../helpers/host.js';
import { Builder, type Built, lines, missingForBuilds } from './builder.js';

const npm: CacheMountIdentity = { namespace: '', id: 'npm', owner: { uid: 33, gid: 34, mode: 0o750 } };

/** A mount with a file of each of two owners. */
async function fill({ stores }: Builder, identity: CacheMountIdentity, text: string): Promise<void> {
  const held = await new CacheMounts(stores.paths, stores.locks).acquire(identity, { sharing: 'locked' });
  mkdirSync(held.data);
  const agent = await stores.ownAgent();
  const handle = await openInStore(agent, stores.paths, held.data, { writable: true });
  await agent.file(handle, 'root', { mode: 0o644, owner: { uid: 0, gid: 0 } }, Buffer.from(text));
  await agent.file(handle, 'other', { mode: 0o600, owner: { uid: 33, gid: 34 } }, Buffer.from('o'));
  await agent.sync();
  await agent.close();
  held.release();
}

async function leave({ stores }: Builder, directory: string): Promise<void> {
  const transfer = { stores, warn: () => undefined };
  const target = layoutTarget({ directory });
  await exportMounts(transfer, parseMountsDestination(directory), target, { began: 0, names: new Set() });
}

function mountsOf({ stores }: Builder): readonly CacheMount[] {
  return new CacheMounts(stores.paths, stores.locks).list();
}

async function treeOf({ stores }: Builder, data: string): Promise<readonly string[]> {
  const agent = await stores.ownAgent();
  const handle = await openInStore(agent, stores.paths, data);
  const tree = await lines(flattenTar({ agent, handle }));
  await agent.close();
  return tree;
}

function warnings({ events }: Built): readonly string[] {
  return events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
}

const trivial = 'FROM localhost/busybox\nRUN true\n';

testWith(missingForBuilds, 'another store gets the mounts with owners, modes and identity', async (t) => {
  const [first, second] = [await Builder.open(t), await Builder.open(t)];
  const directory = join(temporaryDirectory(t), 'mounts');
  await fill(first, npm, 'text');
  await leave(first, directory);
  const built = await second.make(trivial, {}, { cacheMountsFrom: [directory] });
  t.deepEqual(warnings(built), []);
  const [mount] = mountsOf(second);
  t.deepEqual(mount?.record.identity, npm);
  t.is(mount?.name, mountsOf(first)[0]?.name);
  t.deepEqual(await treeOf(second, mount?.data ?? ''), await treeOf(first, mountsOf(first)[0]?.data ?? ''));
  t.deepEqual(readdirSync(join(second.stores.paths.staging)).length, 1);
});

testWith(missingForBuilds, 'a mount that the store has stays as it is', async (t) => {
  const [first, second] = [await Builder.open(t), await Builder.open(t)];
  const directory = join(temporaryDirectory(t), 'mounts');
  await fill(first, npm, 'theirs');
  await leave(first, directory);
  await fill(second, npm, 'ours');
  await second.make(trivial, {}, { cacheMountsFrom: [directory] });
  t.is(readFileSync(join(mountsOf(second)[0]?.data ?? '', 'root'), 'utf8'), 'ours');
});

testWith(missingForBuilds, 'a build passes on the mounts it was given', async (t) => {
  const [first, second] = [await Builder.open(t), await Builder.open(t)];
  const [one, two] = ['one', 'two'].map((name) => join(temporaryDirectory(t), name));
  await fill(first, npm, 'text');
  await leave(first, one ?? '');
  await second.make(trivial, {}, { cacheMountsFrom: [one ?? ''], cacheMountsTo: [`type=local,dest=${two}`] });
  t.is(
    readFileSync(join(two ?? '', 'index.json'), 'utf8'),
    readFileSync(join(one ?? '', 'index.json'), 'utf8'),
  );
});

testWith(missingForBuilds, 'a build that used none leaves nothing', async (t) => {
  const builder = await Builder.open(t);
  const directory = join(temporaryDirectory(t), 'mounts');
  await builder.make(trivial, {}, { cacheMountsTo: [directory] });
  t.false(existsSync(directory));
});

testWith(missingForBuilds, 'a damaged archive of a mount is told of, and nothing of it stays', async (t) => {
  const [first, second] = [await Builder.open(t), await Builder.open(t)];
  const directory = join(temporaryDirectory(t), 'mounts');
  await fill(first, npm, 'text');
  await leave(first, directory);
  const blobs = join(directory, 'blobs', 'sha256');
  for (const name of readdirSync(blobs)) {
    const bytes = readFileSync(join(blobs, name));
    if (bytes[0] === 0x1f)
      writeFileSync(join(blobs, name), Buffer.concat([bytes.subarray(0, -1), Buffer.from([0xff])]));
  }
  const built = await second.make(trivial, {}, { cacheMountsFrom: [directory] });
  t.is(warnings(built).length, 1);
  t.true(mountsOf(second).every(({ data }) => !existsSync(data)));
});

testWith(missingForBuilds, 'du counts a mount, prune takes it unless a build uses it', async (t) => {
  const builder = await Builder.open(t);
  await fill(builder, npm, 'text');
  const { stores } = builder;
  const [unit] = (await listCacheUnits(stores)).filter(({ kind }) => kind === 'exec.cachemount');
  t.deepEqual([unit?.bytes, unit?.description, unit?.reclaimable], [5, 'cache mount npm', true]);
  const held = await new CacheMounts(stores.paths, stores.locks).acquire(npm, { sharing: 'shared' });
  t.deepEqual((await pruneCache(stores, { kinds: ['exec.cachemount'] })).pruned, []);
  held.release();
  const { pruned, bytes } = await pruneCache(stores, { kinds: ['exec.cachemount'] });
  t.deepEqual([pruned.length, bytes, mountsOf(builder)], [1, 5, []]);
});
