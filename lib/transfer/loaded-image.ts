/** An image whose layers come as tars with known diffIDs, into the store: config, manifest, snapshots, names. */

import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { LayerChain } from '../image/layer-chain.js';
import { layerChainIds } from '../image/layer-chain-ids.js';
import { LayerReader } from '../image/layer-reader.js';
import type { Stores } from '../image/stores.js';
import { finishUnpack } from '../image/unpack.js';
import { decompress } from '../layer/compression.js';
import { measureLayer } from '../layer/diff.js';
import type { DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestHex } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { type ImageConfig, parseImageConfig } from '../oci/image-config.js';
import { type ImageManifest, serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import { formatPlatform, matchesPlatform, type Platform } from '../oci/platform.js';
import type { ReadOptions } from './archive.js';
import { layerEventId, type OnTransferEvent } from './events.js';

/** How all kinds of archives are loaded. */
export type Loading = {
  readonly onEvent: OnTransferEvent;
  /** Of an index only the image for it; an image for another one is refused. */
  readonly platform?: Platform | undefined;
};

/** What came from an archive: an image, or an artifact. */
export type LoadedContent = ImageRecord | LoadedArtifact;

/** An artifact under the name it came with. */
export type LoadedArtifact = {
  /** Its manifest's digits. */
  readonly id: string;
  readonly artifactType: string;
  readonly reference: string;
  readonly references: readonly string[];
  readonly descriptor: Descriptor;
};

/** What an archive says of an image. */
export type LoadedImage = {
  readonly configBytes: Buffer;
  /** Opens the tar of a layer, compressed or not. */
  readonly openLayer: (index: number, options?: ReadOptions) => AsyncIterable<Uint8Array>;
  readonly layerCount: number;
  /** Full references it gets; none: it stays untagged. */
  readonly references: readonly string[];
};

/**
 * Stores the image; its layers are described uncompressed, like those made here, and have a blob only where their
 * files do not give the same tar again. An image the store has already
 * (the same config) gets the names and keeps its manifest. Hold a lease.
 */
export async function storeLoadedImage(
  stores: Stores,
  image: LoadedImage,
  { onEvent, platform }: Loading,
): Promise<ImageRecord> {
  const config = parseImageConfig(image.configBytes, 'image config');
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length !== image.layerCount) {
    throw new CoracleError(
      'INVALID',
      `load image: ${image.layerCount} layers, but its config has ${diffIds.length} diff_ids`,
    );
  }
  if (platform !== undefined && !matchesPlatform(config, platform)) {
    const [name = 'the image'] = image.references;
    throw new CoracleError('NOT_FOUND', `load ${name}: nothing for ${formatPlatform(platform)}`, {
      hint: `there is: ${formatPlatform(config)}`,
    });
  }
  const blob = await stores.content.put(image.configBytes);
  const known = stores.images.find(digestHex(blob.digest));
  if (known !== undefined && stores.images.topSnapshot(known) !== undefined)
    return name(stores, known.descriptor, image);
  const settled = await unpackLayers(stores, config, image, blob.digest, onEvent);
  const layers = await describeLayers(stores, diffIds, image);
  await keepForeignTars(stores, diffIds, image, settled);
  const manifest: ImageManifest = {
    kind: 'manifest',
    mediaType: ociTypes.manifest,
    config: { mediaType: ociTypes.config, ...blob },
    layers,
  };
  const stored = await stores.content.put(Buffer.from(serializeManifest(manifest)));
  return name(stores, { mediaType: ociTypes.manifest, ...stored }, image);
}

function name(stores: Stores, descriptor: Descriptor, image: LoadedImage): ImageRecord {
  for (const reference of image.references) stores.images.tag(descriptor, reference);
  if (image.references.length === 0) stores.images.add(descriptor);
  const record = stores.images.resolve(image.references[0] ?? descriptor.digest);
  return { ...record, references: image.references };
}

/** @returns the layers whose files are known to give their tar again, and those whose tar was kept. */
async function unpackLayers(
  stores: Stores,
  config: ImageConfig,
  image: LoadedImage,
  configDigest: ImageRecord['configDigest'],
  onEvent: OnTransferEvent,
): Promise<ReadonlySet<DiffId>> {
  const { diff_ids: diffIds } = config.rootfs;
  const settled = new Set<DiffId>();
  const kept: Promise<void>[] = [];
  const chain = await LayerChain.open(stores, diffIds);
  try {
    for (let index = chain.next; index !== undefined; index = chain.next) {
      const diffId = diffIds[index];
      if (diffId === undefined) throw new CoracleError('INTERNAL', `load layer ${index}: it has no diff_id`);
      const id = layerEventId(diffId);
      const onProgress = (current: number): void =>
        onEvent({ kind: 'layer', id, status: 'extracting', current });
      const bytes = image.openLayer(index, { reuse: true });
      // beside the unpacking: what is written then is on the disk sooner
      const onForeign = (): void => {
        const keeping = keepTar(stores, diffId, image.openLayer(index));
        // It may fail long before anybody waits for it, which must not end the process.
        keeping.catch(() => undefined);
        kept.push(keeping);
      };
      const { form } = await chain.apply({
        bytes,
        reused: true,
        compression: 'auto',
        onProgress,
        compare: true,
        onForeign,
      });
      if (form !== 'uncertain') settled.add(diffId);
      onEvent({ kind: 'layer', id, status: 'done' });
    }
    await Promise.all(kept);
    await finishUnpack(chain, { configDigest }, stores);
    for (const text of chain.warnings) onEvent({ kind: 'message', text });
    return settled;
  } finally {
    await Promise.allSettled(kept);
    await chain.abandon();
  }
}

async function describeLayers(
  stores: Stores,
  diffIds: readonly DiffId[],
  image: LoadedImage,
): Promise<readonly Descriptor[]> {
  const chain = layerChainIds(diffIds);
  const layers: Descriptor[] = [];
  for (const [index, digest] of diffIds.entries()) {
    const chainId = chain[index];
    const known = chainId === undefined ? undefined : stores.snapshots.byChainId(chainId)?.size;
    const size = known ?? (await countBytes(decompress(image.openLayer(index), 'auto')));
    layers.push({ mediaType: ociTypes.layer, digest, size });
  }
  return layers;
}

/**
 * A tar that another program wrote in its own order, or with what an ordinary user cannot make, cannot be made again from
 * the files it became: its bytes are kept, so that push and save give what was loaded.
 */
async function keepForeignTars(
  stores: Stores,
  diffIds: readonly DiffId[],
  image: LoadedImage,
  settled: ReadonlySet<DiffId>,
): Promise<void> {
  const chain = layerChainIds(diffIds);
  const reader = new LayerReader(stores);
  try {
    for (const [index, diffId] of diffIds.entries()) {
      const chainId = chain[index];
      const record = chainId === undefined ? undefined : stores.snapshots.byChainId(chainId);
      if (record === undefined || stores.content.has(diffId) || settled.has(diffId)) continue;
      const { diffId: found } = await measureLayer(
        await reader.source(record),
        present('clampMtime', record.clampMtime),
      );
      if (found !== diffId) await keepTar(stores, diffId, image.openLayer(index));
    }
  } finally {
    await reader.close();
  }
}

async function keepTar(stores: Stores, diffId: DiffId, layer: AsyncIterable<Uint8Array>): Promise<void> {
  if (!stores.content.has(diffId)) await stores.content.ingest(decompress(layer, 'auto'), { digest: diffId });
}

async function countBytes(source: AsyncIterable<Buffer>): Promise<number> {
  let size = 0;
  for await (const chunk of source) size += chunk.length;
  return size;
}
