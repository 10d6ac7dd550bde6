/** The index over a build's images: one entry a platform, attestations behind them. */
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type ImageIndex, serializeManifest } from '../oci/manifest.js';
import { dockerTypes, ociTypes } from '../oci/media-types.js';
import { normalizePlatform, type Platform } from '../oci/platform.js';
import type { Annotations } from './annotation.js';

export type IndexInput = {
  readonly images: readonly Descriptor[];
  readonly docker: boolean;
  readonly annotations?: Annotations;
};

/** Stores the index. Hold a staging lease. */
export async function putIndex(stores: Stores, input: IndexInput): Promise<Descriptor> {
  const { images, docker, annotations } = input;
  const mediaType = docker ? dockerTypes.list : ociTypes.index;
  const index: ImageIndex = {
    kind: 'index',
    mediaType,
    manifests: images,
    ...(annotations === undefined ? {} : { annotations }),
  };
  const blob = await stores.content.put(Buffer.from(serializeManifest(index)));
  return { mediaType, ...blob };
}

/** An image's descriptor as an index holds it. */
export function indexEntry(image: ImageRecord, annotations: Annotations | undefined): Descriptor {
  return {
    ...image.manifestDescriptor,
    platform: platformOf(image),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** The platform an image says it is for. */
export function platformOf({ config }: ImageRecord): Platform {
  const { os, architecture, variant } = config;
  return normalizePlatform({ os, architecture, ...(variant === undefined ? {} : { variant }) });
}
