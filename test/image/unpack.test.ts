import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { toHostId } from '../../lib/host/id-map.js';
import { sweepStaging } from '../../lib/host/staging.js';
import { listTrash } from '../../lib/host/trash.js';
import { assembleImage } from '../../lib/image/assemble.js';
import { LayerChain } from '../../lib/image/layer-chain.js';
import { layerSnapshot, readLayerTar } from '../../lib/image/layer-reader.js';
import { removeImages } from '../../lib/image/remove-images.js';
import type { Stores } from '../../lib/image/stores.js';
import { countReferences, sweep } from '../../lib/image/sweep.js';
import { unpackImage } from '../../lib/image/unpack.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { testWith } from '../helpers/declare.js';
import { missingUserNamespaces, temporaryDirectory } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { diffId, putImage, sha256, testStores } from './store-fixture.js';

const base = makeTar([
  { name: 'bin', type: 'directory' },
  { name: 'bin/tool', content: 'tool', mode: 0o755 },
  { name: 'etc', type: 'directory', mode: 0o750, uid: 33, gid: 33 },
  { name: 'etc/old', content: 'old' },
  { name: 'etc/kept', content: 'kept' },
]);
const upper = makeTar([{ name: 'etc/.wh.old' }, { name: 'new', content: 'new', uid: 7 }]);

/** Root of the host has no subordinate ids of its own, but all others. */
const missing = process.getuid?.() === 0 ? [] : [missingUserNamespaces()];

async function failsWith(
  t: ExecutionContext<unknown>,
  action: Promise<unknown>,
  code: ErrorCode,
  message: RegExp,
): Promise<void> {
  const error = await t.throwsAsync(action, { instanceOf: CoracleError, message });
  t.is(error?.code, code);
}

async function tagged(stores: Stores, name: string, layers: readonly Buffer[]): Promise<void> {
  stores.images.tag(await putImage(stores, { author: name, layers }), name);
}

testWith(
  missing,
  'an image unpacks into one snapshot per layer, with owners and whiteouts, once',
  async (t) => {
    const stores = testStores(t);
    await tagged(stores, 'app', [base, upper]);
    const image = stores.images.resolve('app');
    const top = await unpackImage(image, stores);
    t.deepEqual(await unpackImage(image, stores), top);
    t.deepEqual(stores.images.topSnapshot(image), top);
    const [over = '', under = ''] = stores.snapshots.layerPaths(top);
    t.is(readFileSync(join(under, 'bin/tool'), 'utf8'), 'tool');
    t.is<number | undefined, number | undefined>(
      statSync(join(under, 'etc')).uid,
      toHostId(stores.idMap().uid, 33),
    );
    t.is<number | undefined, number | undefined>(
      statSync(join(over, 'new')).uid,
      toHostId(stores.idMap().uid, 7),
    );
    t.deepEqual(
      stores.snapshots
        .list()
        .map(({ size }) => size)
        .sort(),
      [base.length, upper.length].sort(),
    );
    t.is(stores.images.list()[0]?.size, base.length + upper.length);
    t.is(top.lowers[1], layerSnapshot(image, 0, stores).id);
    await stores.close();
    t.deepEqual(readdirSync(stores.paths.staging), []);
    t.false(readdirSync(stores.paths.locks).some((name) => name.startsWith('unpack')));
  },
);

testWith(missing, 'images that share layers share snapshots', async (t) => {
  const stores = testStores(t);
  await tagged(stores, 'one', [base]);
  await tagged(stores, 'two', [base, upper]);
  const one = await unpackImage(stores.images.resolve('one'), stores);
  const two = await unpackImage(stores.images.resolve('two'), stores);
  t.is(two.parent, one.id);
  t.is(stores.snapshots.ids().length, 2);
});

testWith(missing, 'an image without layers has an empty snapshot', async (t) => {
  const stores = testStores(t);
  await tagged(stores, 'empty', []);
  const top = await unpackImage(stores.images.resolve('empty'), stores);
  t.deepEqual(readdirSync(stores.snapshots.layerPath(top.id)), []);
});

testWith(missing, 'S21: a layer that is not what the config says leaves nothing', async (t) => {
  const stores = testStores(t);
  const chain = await LayerChain.open(stores, [diffId(base), diffId('other')]);
  async function* bytes(buffer: Buffer): AsyncGenerator<Buffer> {
    yield buffer;
  }
  await chain.apply({ bytes: bytes(gzipSync(base)), compression: 'gzip' });
  await failsWith(
    t,
    chain.apply({ bytes: bytes(upper), compression: 'none' }),
    'INTEGRITY',
    /the content has diffID/,
  );
  await chain.abandon();
  const truncated = await LayerChain.open(stores, [diffId(base)]);
  await t.throwsAsync(
    truncated.apply({ bytes: bytes(gzipSync(base).subarray(0, 60)), compression: 'gzip' }),
    { instanceOf: CoracleError },
  );
  await truncated.abandon();
  t.deepEqual(stores.snapshots.ids(), []);
  await stores.close();
  t.deepEqual(readdirSync(stores.paths.staging), []);
  t.deepEqual(listTrash(stores.paths), []);
});

testWith(missing, 'a missing layer is named', async (t) => {
  const stores = testStores(t);
  await tagged(stores, 'app', [base]);
  stores.content.remove(sha256(base));
  await failsWith(t, unpackImage(stores.images.resolve('app'), stores), 'NOT_FOUND', /open blob sha256/);
});

testWith(missing, 'several unpacks of one image at once do the work once', async (t) => {
  const stores = testStores(t);
  await tagged(stores, 'app', [base, upper]);
  const image = stores.images.resolve('app');
  const tops = await Promise.all([1, 2, 3].map(() => unpackImage(image, stores)));
  t.is(new Set(tops.map(({ id }) => id)).size, 1);
  t.is(stores.snapshots.ids().length, 2);
});

testWith(
  missing,
  'S24: a process killed while it unpacks leaves a store in which the next one succeeds',
  async (t) => {
    const stores = testStores(t);
    const many = makeTar(
      Array.from({ length: 3000 }, (_, index) => ({
        name: `f${index}`,
        content: `${index}`,
        uid: index % 100,
      })),
    );
    await tagged(stores, 'app', [base, many]);
    for (const delay of [40, 90, 160]) {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'unpack-process.js'), stores.paths.root, 'app'],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
          env: { ...process.env, XDG_RUNTIME_DIR: join(stores.paths.root, '..') },
        },
      );
      await once(child.stdout, 'data');
      await new Promise((resolve) => setTimeout(resolve, delay));
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    sweepStaging(stores.paths, stores.locks);
    const top = await unpackImage(stores.images.resolve('app'), stores);
    t.is(readdirSync(stores.snapshots.layerPath(top.id)).length, 3000);
    await stores.openAgent();
    t.deepEqual(listTrash(stores.paths), []);
  },
);

testWith(
  missing,
  'an image made of a base and a new layer is measured, described and read back the same',
  async (t) => {
    const stores = testStores(t);
    await tagged(stores, 'base', [base]);
    const parent = stores.images.resolve('base');
    const active = stores.snapshots.prepare(await unpackImage(parent, stores));
    mkdirSync(join(active.fs, 'srv'));
    writeFileSync(join(active.fs, 'srv', 'page'), 'hello');
    const top = stores.snapshots.commit(active, { comment: 'COPY page /srv' });
    const { rootfs: _, ...config } = parent.config;
    const image = await assembleImage(
      { config, base: parent, top, annotations: { a: 'b' }, clampMtime: 1_600_000_000 },
      stores,
    );
    stores.images.tag(image, 'built');
    const [own, made] = image.manifest.layers;
    t.deepEqual(own, parent.manifest.layers[0]);
    t.is(made?.mediaType, ociTypes.layer);
    t.is(made?.digest, image.config.rootfs.diff_ids[1]);
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of readLayerTar(image, 1, stores)) {
      hash.update(chunk);
      size += chunk.length;
    }
    t.is<string | undefined, string>(made?.digest, `sha256:${hash.digest('hex')}`);
    t.is(made?.size, size);
    const again = await assembleImage({ config, base: parent, top, annotations: { a: 'b' } }, stores);
    t.is(again.descriptor.digest, image.descriptor.digest);
    t.is(stores.images.resolve('built').id, image.id);
    t.deepEqual(stores.images.topSnapshot(image), stores.snapshots.get(top.id));
    writeFileSync(join(stores.snapshots.layerPath(top.id), 'srv', 'page'), 'changed');
    await failsWith(t, collect(readLayerTar(image, 1, stores)), 'INTEGRITY', /its files now have diffID/);
  },
);

async function collect(source: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of source) void chunk;
}

testWith(missing, 'removing an image frees what it alone kept', async (t) => {
  const stores = testStores(t);
  await tagged(stores, 'one', [base]);
  await tagged(stores, 'two', [base, upper]);
  const one = await unpackImage(stores.images.resolve('one'), stores);
  const two = await unpackImage(stores.images.resolve('two'), stores);
  const result = await removeImages(stores, ['two', 'three']);
  t.is(result.deleted.length, 1);
  t.deepEqual(
    result.failures.map(({ name, error }) => [name, error.code]),
    [['three', 'NOT_FOUND']],
  );
  t.true(result.freed > 0);
  t.deepEqual(stores.snapshots.ids(), [one.id]);
  t.false(stores.content.has(sha256(upper)));
  t.true(stores.content.has(sha256(base)));
  t.false(existsSync(join(stores.paths.snapshots, two.id)));
  t.deepEqual(listTrash(stores.paths), []);
  await removeImages(stores, ['one']);
  t.deepEqual(
    [
      stores.snapshots.ids(),
      stores.content.list(),
      readdirSync(stores.paths.chains),
      readdirSync(stores.paths.imageTops),
    ],
    [[], [], [], []],
  );
});

testWith(missing, 'snapshots of containers and of the build cache outlive their image', async (t) => {
  const stores = testStores(t);
  const lower = stores.snapshots.commit(stores.snapshots.prepare());
  const used = stores.snapshots.commit(stores.snapshots.prepare(lower));
  const cached = stores.snapshots.commit(stores.snapshots.prepare(lower));
  const nobodys = stores.snapshots.commit(stores.snapshots.prepare(lower));
  record(join(stores.paths.containers, 'abc'), 'container.json', { snapshot: used.id });
  record(join(stores.paths.build, 'cache'), 'key.json', { snapshot: cached.id });
  record(join(stores.paths.build, 'cache'), 'empty.json', {});
  const references = await countReferences(stores, { buildCache: 'keep' });
  t.deepEqual([...references.snapshots].sort(), [lower.id, used.id, cached.id].sort());
  await stores.close();
  t.deepEqual((await sweep(stores, { buildCache: 'keep' })).snapshots, [nobodys.id]);
  t.deepEqual((await sweep(stores, { buildCache: 'drop' })).snapshots, [cached.id]);
  record(join(stores.paths.containers, 'abc'), 'container.json', { snapshot: '../../etc' });
  stores.snapshots.commit(stores.snapshots.prepare(lower));
  await stores.close();
  const swept = await sweep(stores, { buildCache: 'keep' });
  t.regex(swept.problems[0] ?? '', /no snapshot id/);
  t.deepEqual(swept.snapshots, []);
});

function record(directory: string, name: string, value: object): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, name), JSON.stringify(value));
}

testWith(missing, 'nothing is swept while work is in progress', async (t) => {
  const stores = testStores(t);
  const lease = stores.staging.lease();
  const { digest } = await stores.content.put(Buffer.from('unreferenced'));
  t.true((await sweep(stores, { buildCache: 'keep' })).busy);
  t.true(stores.content.has(digest));
  lease.release();
  t.deepEqual((await sweep(stores, { buildCache: 'keep' })).blobs, [digest]);
});

testWith(missing, 'trees of foreign owners are removed from the trash', async (t) => {
  const stores = testStores(t);
  const closed = makeTar([
    { name: 'locked', type: 'directory', mode: 0o000, uid: 5 },
    { name: 'locked/file', content: 'x', uid: 6 },
  ]);
  await tagged(stores, 'app', [closed]);
  const top = await unpackImage(stores.images.resolve('app'), stores);
  t.true(lstatSync(join(stores.snapshots.layerPath(top.id), 'locked')).isDirectory());
  await stores.snapshots.remove(top.id, stores.removeTree);
  t.deepEqual(listTrash(stores.paths), []);
});

const mountNamespace =
  spawnSync('unshare', ['-rm', 'true']).status === 0 ? undefined : 'unshare -rm is refused';

testWith(
  [mountNamespace],
  'on a full disk an unpack and a tag fail clearly, and an image can still be removed',
  async (t) => {
    const directory = temporaryDirectory(t);
    const layer = makeTar([{ name: 'large', content: Buffer.alloc(12_000_000, 'x') }]);
    const file = join(temporaryDirectory(t), 'layer');
    writeFileSync(file, gzipSync(layer));
    const program = join(import.meta.dirname, 'full-disk-process.js');
    const script = `mount -t tmpfs -o size=6m,mode=700 none ${directory} && exec ${process.execPath} ${program} ${directory}/store ${file} ${diffId(layer)}`;
    const child = spawnSync('unshare', ['-rm', 'sh', '-c', script], { encoding: 'utf8' });
    t.is(child.stderr, '');
    t.deepEqual(JSON.parse(child.stdout), {
      unpack: 'NO_SPACE',
      left: [],
      tag: 'NO_SPACE',
      names: ['large:latest'],
      remove: 'done',
      blobs: [],
    });
  },
);
