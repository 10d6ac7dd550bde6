/**
 * Fills the store's small file system and tells what became of each operation. Arguments: root, gzip-compressed
 * tar of one layer, the tar's diffID.
 */
import { readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../../lib/errors.js';
import { removeImages } from '../../lib/image/remove-images.js';
import { openStores } from '../../lib/image/stores.js';
import { unpackImage } from '../../lib/image/unpack.js';
import { parseDiffId } from '../../lib/oci/chain-id.js';
import { serializeImageConfig } from '../../lib/oci/image-config.js';
import { serializeManifest } from '../../lib/oci/manifest.js';
import { ociTypes } from '../../lib/oci/media-types.js';

const [root = '', layerFile = '', diffId] = process.argv.slice(2);
const stores = openStores({ root, env: { ...process.env, XDG_RUNTIME_DIR: join(root, '..') } });
const layer = await stores.content.put(readFileSync(layerFile));
const config = await stores.content.put(
  Buffer.from(
    serializeImageConfig({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [parseDiffId(diffId, 'diffID')] },
    }),
  ),
);
const manifest = await stores.content.put(
  Buffer.from(
    serializeManifest({
      kind: 'manifest',
      mediaType: ociTypes.manifest,
      config: { mediaType: ociTypes.config, ...config },
      layers: [{ mediaType: ociTypes.layerGzip, ...layer }],
    }),
  ),
);
stores.images.tag({ mediaType: ociTypes.manifest, ...manifest }, 'large');

async function outcome(action: () => unknown): Promise<string> {
  try {
    await action();
    return 'done';
  } catch (error) {
    return error instanceof CoracleError ? error.code : String(error);
  }
}

const unpack = await outcome(() => unpackImage(stores.images.resolve('large'), stores));
await stores.close();
const left = [
  readdirSync(stores.paths.staging),
  readdirSync(stores.paths.trash),
  stores.snapshots.ids(),
].flat();
const { bavail, bsize } = statfsSync(root);
for (let size = bavail * bsize, name = 0; size >= 1; name++) {
  if ((await outcome(() => writeFileSync(join(root, '..', `filler${name}`), Buffer.alloc(size)))) !== 'done')
    size >>= 1;
}
const tag = await outcome(() => stores.images.tag(stores.images.resolve('large'), 'other'));
const names = stores.images.list()[0]?.names;
const remove = await outcome(() => removeImages(stores, ['large']));
const blobs = stores.content.list();
process.stdout.write(JSON.stringify({ unpack, left, tag, names, remove, blobs }));
await stores.close();
