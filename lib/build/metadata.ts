/** `--metadata-file`: BuildKit's keys. https://docs.docker.com/reference/cli/docker/buildx/build/#metadata-file */
import { formatPlatform, type Platform } from '../oci/platform.js';
import type { Delivered } from './outputs.js';

export type MetadataInput = {
  readonly delivered: Delivered;
  readonly isIndex: boolean;
  /** The provenance of each image, where it is wanted. */
  readonly provenance: readonly { readonly platform: Platform; readonly predicate: unknown }[];
};

/** The document, pure. The config of an index of images is that of none of them, so there it is left out. */
export function buildMetadata({
  delivered,
  isIndex,
  provenance,
}: MetadataInput): Readonly<Record<string, unknown>> {
  const { image, descriptor, names } = delivered;
  const keyOf = (platform: Platform): string =>
    provenance.length > 1 ? `buildx.build.provenance/${formatPlatform(platform)}` : 'buildx.build.provenance';
  return {
    ...Object.fromEntries(provenance.map(({ platform, predicate }) => [keyOf(platform), predicate])),
    ...(isIndex ? {} : { 'containerimage.config.digest': image.configDigest }),
    'containerimage.descriptor': descriptor,
    'containerimage.digest': descriptor.digest,
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
  };
}
