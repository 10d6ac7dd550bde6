/** An image whose layers are blobs of the store in one compression, so that its digest is final before it goes anywhere. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { readLayerTar } from '../image/layer-reader.js';
import { layerType, reformImage } from '../image/reform.js';
import type { Stores } from '../image/stores.js';
import { compress, decompress } from '../layer/compression.js';
import type { Descriptor } from '../oci/descriptor.js';
import { dockerTypes, isForeignLayer, layerCompression, ociTypes } from '../oci/media-types.js';
import { defaultLevels, rememberedLayer, rememberLayer, type StreamEncoding } from './compressed-layers.js';

export type CompressImageOptions = {
  readonly kind: StreamEncoding['kind'];
  readonly level?: number;
  /** Layers that are compressed another way too. */
  readonly force: boolean;
  /** Layers without compression become blobs too, so that nothing compresses them later. */
  readonly keepPlain: boolean;
  readonly signal?: AbortSignal;
};

/** Makes the blobs that are missing. Hold a staging lease. @throws as `readLayerTar` does. */
export async function compressImage(
  stores: Stores,
  image: ImageRecord,
  options: CompressImageOptions,
): Promise<ImageRecord> {
  const layers: Descriptor[] = [];
  for (const index of image.manifest.layers.keys()) {
    options.signal?.throwIfAborted();
    layers.push(await compressedLayer(stores, image, index, options));
  }
  return reformImage(image, { layers }, stores);
}

async function compressedLayer(
  stores: Stores,
  image: ImageRecord,
  index: number,
  { kind, level, force, keepPlain }: CompressImageOptions,
): Promise<Descriptor> {
  const layer = image.manifest.layers[index];
  if (layer === undefined)
    throw new CoracleError('INTERNAL', `compress layer ${index}: the manifest has none`);
  const now = layerCompression(layer.mediaType);
  const made = now === 'none' && !isForeignLayer(layer.mediaType);
  if (made && kind === 'none' && !keepPlain) return layer;
  if (!made && (!force || now === kind)) return layer;
  const docker = image.manifest.mediaType === dockerTypes.manifest;
  const mediaType = layerType(
    { gzip: ociTypes.layerGzip, zstd: ociTypes.layerZstd, none: ociTypes.layer }[kind],
    docker,
  );
  const encoding = kind === 'none' ? undefined : { kind, level: level ?? defaultLevels[kind] };
  const diffId = image.config.rootfs.diff_ids[index];
  const known =
    encoding === undefined || diffId === undefined
      ? undefined
      : rememberedLayer(stores.paths, diffId, encoding);
  if (known !== undefined && stores.content.has(known.digest)) return { mediaType, ...known };
  const tar = stores.content.has(layer.digest)
    ? decompress(stores.content.open(layer.digest), now)
    : readLayerTar(image, index, stores);
  const blob = await stores.content.ingest(encoding === undefined ? tar : compress(tar, encoding));
  if (encoding !== undefined && diffId !== undefined) rememberLayer(stores.paths, diffId, encoding, blob);
  return { mediaType, ...blob };
}
