import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { Stores } from '../../lib/image/stores.js';
import type { Descriptor } from '../../lib/oci/descriptor.js';
import { parseManifest } from '../../lib/oci/manifest.js';
import { putImage, putIndex, testStores } from './store-fixture.js';

const count = 40;
const platforms = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
];

/** A store of many images, one of them for two platforms, that were listed once. */
async function listedStore(
  t: ExecutionContext,
): Promise<{ readonly stores: Stores; readonly index: Descriptor }> {
  const stores = testStores(t);
  for (let number = 1; number < count; number++) {
    const author = `${number}`;
    const image = {
      author,
      layers: [Buffer.from(author)],
      created: `2026-01-01T00:00:${author.padStart(2, '0')}Z`,
    };
    stores.images.tag(await putImage(stores, image), `many-${number}`);
  }
  const index = await putIndex(
    stores,
    platforms.map((platform) => ({ author: platform.architecture, platform })),
  );
  stores.images.tag(index, 'multi');
  t.deepEqual(await stores.images.listQuickly(), stores.images.list());
  t.is(known(stores).size, count);
  return { stores, index };
}

function known({ paths }: Stores): ReadonlyMap<string, unknown> {
  return new Map(Object.entries(JSON.parse(readFileSync(paths.knownImages, 'utf8')).images));
}

async function isUpToDate(t: ExecutionContext, { images }: Stores): Promise<void> {
  t.deepEqual(await images.listQuickly(), images.list());
  t.deepEqual(await images.listQuickly(), images.list());
}

test('what is known of images is not read again', async (t) => {
  const { stores } = await listedStore(t);
  const { paths, images, content } = stores;
  const before = images.list();
  // As long as it is there, the file is not opened.
  for (const { digest } of before.slice(1)) writeFileSync(content.pathOf(digest), 'damaged');
  t.deepEqual(await images.listQuickly(), before);
  rmSync(paths.knownImages);
  t.is((await images.listQuickly()).filter(({ broken }) => broken !== undefined).length, count - 1);
});

test('new names, new images and images that are gone are told at once', async (t) => {
  const { stores } = await listedStore(t);
  const { images } = stores;
  images.tag(images.resolve('many-1'), 'other');
  images.untag('many-2');
  images.remove('many-3');
  images.tag(await putImage(stores, { author: 'new' }), 'new');
  await isUpToDate(t, stores);
  t.is(known(stores).size, count);
});

test('a blob that is gone makes its image a broken one, and the image is whole when it is back', async (t) => {
  const { stores } = await listedStore(t);
  const { images, content } = stores;
  const { configDigest } = images.resolve('many-5');
  const bytes = content.readTrusted(configDigest);
  content.remove(configDigest);
  t.is((await images.listQuickly()).filter(({ broken }) => broken !== undefined).length, 1);
  await isUpToDate(t, stores);
  await content.put(bytes);
  await isUpToDate(t, stores);
  t.true(images.list().every(({ broken }) => broken === undefined));
});

test('which image of an index is meant follows those that are there', async (t) => {
  const { stores, index } = await listedStore(t);
  const { images, content } = stores;
  const own = images.resolve('multi', { nearest: true });
  const manifest = parseManifest(content.readTrusted(index.digest), 'index');
  t.is(manifest.kind, 'index');
  const bytes = content.readTrusted(own.manifestDescriptor.digest);
  content.remove(own.manifestDescriptor.digest);
  await isUpToDate(t, stores);
  t.false(images.list().some(({ id }) => id === own.id));
  await content.put(bytes);
  await isUpToDate(t, stores);
  t.true(images.list().some(({ id }) => id === own.id));
});

test('the size follows the layers when they are unpacked, and when they are gone', async (t) => {
  const { stores } = await listedStore(t);
  const { images, snapshots } = stores;
  const { configDigest, id } = images.resolve('many-7');
  const sizeOf = async (): Promise<number | undefined> =>
    (await images.listQuickly()).find((image) => image.id === id)?.size;
  t.is(await sizeOf(), 1);
  const top = snapshots.commit(snapshots.prepare(), { size: 4096 });
  snapshots.setTopOfImage(configDigest, top.id);
  t.is(await sizeOf(), 4096);
  await isUpToDate(t, stores);
  snapshots.detach(top.id);
  t.is(await sizeOf(), 1);
  await isUpToDate(t, stores);
});

test('a file that is damaged, of another form or not to be written does no harm', async (t) => {
  const { stores } = await listedStore(t);
  const { paths } = stores;
  const text = readFileSync(paths.knownImages, 'utf8');
  const damaged = [
    '',
    'no JSON',
    '[]',
    text.slice(0, -100),
    text.replace('"version":1', '"version":2'),
    text.replace(/"platform":"[^"]+"/, '"platform":"plan9/vax"'),
    text.replace(/"size":\d+/g, '"size":-1'),
    text.replace(/"blobs":\[/g, '"blobs":[7,'),
  ];
  for (const content of damaged) {
    writeFileSync(paths.knownImages, content);
    await isUpToDate(t, stores);
    t.is(known(stores).size, count, content.slice(0, 60));
  }
  rmSync(paths.knownImages);
  const nowhere = join(paths.root, 'nothing', 'known-images');
  const { KnownImages } = await import('../../lib/image/known-images.js');
  const memory = new KnownImages({ ...paths, knownImages: nowhere }, stores);
  const image = stores.images.resolve('many-1');
  memory.learn(image, { id: image.id, size: 1, architecture: 'amd64', os: 'linux', labels: {} });
  t.notThrows(() => memory.save());
});
