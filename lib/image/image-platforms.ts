/** The images of an index, as far as the store has them. */
import type { ContentStore } from '../content/content-store.js';
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { manifestLimit, parseManifest } from '../oci/manifest.js';
import { isIndex } from '../oci/media-types.js';
import { formatPlatform } from '../oci/platform.js';

/** An image for one platform. */
export type ImagePlatform = {
  /** `OS/ARCH[/VARIANT]`; of an artifact its type; `unknown` where nothing is said. */
  readonly platform: string;
  readonly digest: Digest;
  /** The config's digits; undefined where the store does not have it. */
  readonly id: string | undefined;
  /** Bytes of its blobs, of those that are in the store. */
  readonly size: number;
};

/** What an index names; nothing for a single image. Attestations are left out. */
export function imagePlatforms(descriptor: Descriptor, content: ContentStore): readonly ImagePlatform[] {
  if (!isIndex(descriptor.mediaType) || !content.has(descriptor.digest)) return [];
  const manifest = read(descriptor, content);
  if (manifest?.kind !== 'index') return [];
  return manifest.manifests
    .filter(({ annotations }) => annotations?.['vnd.docker.reference.type'] === undefined)
    .map((entry) => describe(entry, content));
}

function describe(entry: Descriptor, content: ContentStore): ImagePlatform {
  const { digest, platform, artifactType } = entry;
  const name = platform === undefined ? (artifactType ?? 'unknown') : formatPlatform(platform);
  const manifest = content.has(digest) ? read(entry, content) : undefined;
  if (manifest?.kind !== 'manifest') return { platform: name, digest, id: undefined, size: 0 };
  const blobs = [manifest.config, ...manifest.layers];
  const size = blobs.reduce((total, blob) => total + (content.size(blob.digest) ?? 0), 0);
  return { platform: name, digest, id: digestHex(manifest.config.digest), size };
}

/** Undefined for what is damaged: the list of images says so. */
function read(
  { digest, mediaType }: Descriptor,
  content: ContentStore,
): ReturnType<typeof parseManifest> | undefined {
  try {
    return parseManifest(content.readTrusted(digest, manifestLimit), `manifest ${digest}`, mediaType);
  } catch (error) {
    if (error instanceof CoracleError && ['INVALID', 'UNSUPPORTED'].includes(error.code)) return undefined;
    throw error;
  }
}
