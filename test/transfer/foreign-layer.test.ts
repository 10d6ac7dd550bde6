import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDigest } from '../../lib/oci/digest.js';
import { loadImages } from '../../lib/transfer/load.js';
import { saveImages } from '../../lib/transfer/save.js';
import { testWith } from '../helpers/declare.js';
import { temporaryDirectory } from '../helpers/host.js';
import { makeTar } from '../helpers/image.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { tarOf } from '../layer/tar-builder.js';

const missing = [missingAgent()];

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A docker-archive of one image with one layer. */
function archiveOf(layer: Buffer): { readonly archive: Uint8Array; readonly diffId: string } {
  const diffId = `sha256:${sha256(layer)}`;
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [diffId] },
  });
  const manifest = [{ Config: 'config.json', RepoTags: ['foreign:1'], Layers: ['layer.tar'] }];
  const archive = makeTar([
    { name: 'layer.tar', content: layer },
    { name: 'config.json', content: config },
    { name: 'manifest.json', content: JSON.stringify(manifest) },
  ]);
  return { archive, diffId };
}

testWith(missing, 'a loaded layer in an order of its own is saved again byte for byte', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'foreign.tar');
  const layer = tarOf(
    { path: 'z', type: 'directory', mode: 0o755 },
    { path: 'a', type: 'file', mode: 0o644 },
    { path: 'dev', type: 'directory', mode: 0o755 },
    { path: 'dev/null', type: 'char', major: 1, minor: 3, mode: 0o666 },
  );
  const { archive, diffId } = archiveOf(layer);
  writeFileSync(file, archive);
  const stores = testStores(t);
  await loadImages(stores, file);
  const image = stores.images.resolve('foreign:1');
  t.is(image.config.rootfs.diff_ids[0] as string, diffId);
  t.true(stores.content.has(parseDigest(diffId, 'diffID')));
  const saved = join(directory, 'saved.tar');
  await saveImages(stores, ['foreign:1'], saved);
  t.true(readFileSync(saved).includes(layer));
  const again = await loadImages(testStores(t), saved);
  t.is(again[0]?.id, image.id);
});

testWith(missing, 'a loaded layer that its files give again is not kept twice', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'ours.tar');
  const { archive, diffId } = archiveOf(tarOf({ path: 'a', type: 'file', mode: 0o644 }));
  writeFileSync(file, archive);
  const stores = testStores(t);
  await loadImages(stores, file);
  t.false(stores.content.has(parseDigest(diffId, 'diffID')));
});
