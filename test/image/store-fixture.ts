/** Stores in temporary directories, and images made of records alone, for tests that need no layers' files. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { openStores, type Stores } from '../../lib/image/stores.js';
import { type DiffId, parseDiffId } from '../../lib/oci/chain-id.js';
import type { Descriptor } from '../../lib/oci/descriptor.js';
import { type Digest, makeDigest } from '../../lib/oci/digest.js';
import { type ImageConfig, serializeImageConfig } from '../../lib/oci/image-config.js';
import { serializeManifest } from '../../lib/oci/manifest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { hostPlatform, type Platform } from '../../lib/oci/platform.js';
import { temporaryDirectory } from '../helpers/host.js';

/** A new store that is closed when the test ends. */
export function testStores(t: ExecutionContext<unknown>): Stores {
  const directory = temporaryDirectory(t);
  const stores = openStores({
    root: join(directory, 'store'),
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
  });
  t.teardown(() => stores.close());
  return stores;
}

/** The digest of bytes. */
export function sha256(bytes: string | Uint8Array): Digest {
  return makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
}

/** The diffID of bytes. */
export function diffId(bytes: string | Uint8Array): DiffId {
  return parseDiffId(sha256(bytes), 'diffID');
}

export type FakeImage = {
  /** Makes images differ. */
  readonly author: string;
  readonly platform?: Platform;
  /** Uncompressed layers; put as they are. */
  readonly layers?: readonly Buffer[];
  readonly created?: string;
};

/** Puts a whole image into the content store and returns its manifest's descriptor. */
export async function putImage(stores: Stores, image: FakeImage): Promise<Descriptor> {
  const layers = image.layers ?? [];
  const config: ImageConfig = {
    ...(image.platform ?? hostPlatform()),
    author: image.author,
    ...(image.created === undefined ? {} : { created: image.created }),
    rootfs: { type: 'layers', diff_ids: layers.map(diffId) },
  };
  const configBlob = await stores.content.put(Buffer.from(serializeImageConfig(config)));
  const blobs = await Promise.all(layers.map((layer) => stores.content.put(layer)));
  const manifest = serializeManifest({
    kind: 'manifest',
    mediaType: ociTypes.manifest,
    config: { mediaType: ociTypes.config, ...configBlob },
    layers: blobs.map((blob) => ({ mediaType: ociTypes.layer, ...blob })),
  });
  return { mediaType: ociTypes.manifest, ...(await stores.content.put(Buffer.from(manifest))) };
}

/** Puts an index of images for several platforms and returns its descriptor. */
export async function putIndex(
  stores: Stores,
  images: readonly Required<Pick<FakeImage, 'author' | 'platform'>>[],
): Promise<Descriptor> {
  const manifests = await Promise.all(
    images.map(async (image) => ({ ...(await putImage(stores, image)), platform: image.platform })),
  );
  const text = serializeManifest({ kind: 'index', mediaType: ociTypes.index, manifests });
  return { mediaType: ociTypes.index, ...(await stores.content.put(Buffer.from(text))) };
}
