/** The same image in another manifest: other media types, layers or annotations. The config, and so the id, stays. */
import type { Descriptor } from '../oci/descriptor.js';
import { type ImageManifest, serializeManifest } from '../oci/manifest.js';
import { dockerTypes, isForeignLayer, layerCompression, ociTypes } from '../oci/media-types.js';
import type { ImageRecord } from './image-record.js';
import type { Stores } from './stores.js';

/** What changes; the rest stays. */
export type Reform = {
  /** Docker's media types instead of OCI's. */
  readonly docker?: boolean;
  /** Other blobs with the same content. */
  readonly layers?: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
};

/** Stores the manifest that differs; the image itself when none does. Hold a staging lease. */
export async function reformImage(image: ImageRecord, reform: Reform, stores: Stores): Promise<ImageRecord> {
  const manifest = reformManifest(image.manifest, reform);
  const text = serializeManifest(manifest);
  if (text === serializeManifest(image.manifest)) return image;
  const blob = await stores.content.put(Buffer.from(text));
  const descriptor: Descriptor = { mediaType: manifest.mediaType, ...blob };
  return { ...image, manifest, descriptor, manifestDescriptor: descriptor };
}

/** The manifest that differs. */
export function reformManifest(
  manifest: ImageManifest,
  { docker, layers, annotations }: Reform,
): ImageManifest {
  const types = docker === true ? dockerTypes : ociTypes;
  const merged = { ...manifest.annotations, ...annotations };
  const { annotations: _old, ...rest } = manifest;
  const changed: ImageManifest = {
    ...rest,
    layers: layers ?? manifest.layers,
    ...(Object.keys(merged).length === 0 ? {} : { annotations: merged }),
  };
  if (docker === undefined) return changed;
  return {
    ...changed,
    mediaType: types.manifest,
    config: { ...changed.config, mediaType: types.config },
    layers: changed.layers.map((layer) => ({ ...layer, mediaType: layerType(layer.mediaType, docker) })),
  };
}

/** The type of the same bytes in the other family. Layers that may not be distributed keep theirs. */
export function layerType(mediaType: string, docker: boolean): string {
  if (isForeignLayer(mediaType)) return mediaType;
  const types = docker ? dockerTypes : ociTypes;
  const names = { none: types.layer, gzip: types.layerGzip, zstd: types.layerZstd } as const;
  return names[layerCompression(mediaType)];
}
