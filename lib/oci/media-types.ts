/**
 * Media types of manifests, configs and layers, OCI and Docker.
 * https://github.com/opencontainers/image-spec/blob/main/media-types.md
 */
import { CoracleError } from '../errors.js';

/** OCI media types this implementation writes or reads. */
export const ociTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  empty: 'application/vnd.oci.empty.v1+json',
} as const;

/** Docker media types this implementation reads. */
export const dockerTypes = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar',
  layerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  layerZstd: 'application/vnd.docker.image.rootfs.diff.tar.zstd',
  foreignLayerGzip: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
} as const;

/** How the bytes of a layer blob are compressed. */
export type LayerCompression = 'none' | 'gzip' | 'zstd';

const manifestTypes: readonly string[] = [ociTypes.manifest, dockerTypes.manifest];
const indexTypes: readonly string[] = [ociTypes.index, dockerTypes.list];
const schema1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+/;
const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar';

const layerCompressions: Readonly<Record<string, LayerCompression>> = {
  [ociTypes.layer]: 'none',
  [ociTypes.layerGzip]: 'gzip',
  [ociTypes.layerZstd]: 'zstd',
  [dockerTypes.layer]: 'none',
  [dockerTypes.layerGzip]: 'gzip',
  [dockerTypes.layerZstd]: 'zstd',
  [dockerTypes.foreignLayerGzip]: 'gzip',
  [nondistributable]: 'none',
  [`${nondistributable}+gzip`]: 'gzip',
  [`${nondistributable}+zstd`]: 'zstd',
};

/** The `Accept` values for a manifest request, best first. */
export const acceptedManifestTypes: readonly string[] = [
  ociTypes.index,
  ociTypes.manifest,
  dockerTypes.list,
  dockerTypes.manifest,
];

/** A media type without parameters, lower-case: `Application/JSON; charset=utf-8` is `application/json`. */
export function essence(mediaType: string): string {
  return (mediaType.split(';')[0] ?? '').trim().toLowerCase();
}

/** Whether this is an image manifest, OCI or Docker schema 2. */
export function isManifest(mediaType: string): boolean {
  return manifestTypes.includes(mediaType);
}

/** Whether this is an image index or a Docker manifest list. */
export function isIndex(mediaType: string): boolean {
  return indexTypes.includes(mediaType);
}

/** Whether this is a Docker schema 1 manifest, which no reader supports any more. */
export function isSchema1(mediaType: string): boolean {
  return schema1.test(mediaType);
}

/** Whether this is an image's config, not that of another kind of artifact. */
export function isImageConfig(mediaType: string): boolean {
  return mediaType === ociTypes.config || mediaType === dockerTypes.config;
}

/** Whether this is a layer changeset we can read. */
export function isLayer(mediaType: string): boolean {
  return Object.hasOwn(layerCompressions, mediaType);
}

/** Whether the bytes may live outside the registry (foreign or nondistributable); their `urls` are never followed. */
export function isForeignLayer(mediaType: string): boolean {
  return mediaType === dockerTypes.foreignLayerGzip || mediaType.startsWith(nondistributable);
}

/** How a layer is compressed, or UNSUPPORTED naming its media type. */
export function layerCompression(mediaType: string): LayerCompression {
  const compression = Object.hasOwn(layerCompressions, mediaType) ? layerCompressions[mediaType] : undefined;
  if (compression !== undefined) return compression;
  throw new CoracleError(
    'UNSUPPORTED',
    `read layer: media type ${JSON.stringify(mediaType)} is not a layer`,
    {
      hint: 'the artifact is no container image, or it needs a decryption or conversion this version does not do',
    },
  );
}
