/** From a tagged descriptor to the one image it means on a platform: manifest, config and identity. */

import type { ContentStore } from '../content/content-store.js';
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { type ImageConfig, imageConfigLimit, parseImageConfig } from '../oci/image-config.js';
import { type ImageManifest, manifestLimit, parseManifest } from '../oci/manifest.js';
import { isImageConfig, isIndex, isManifest } from '../oci/media-types.js';
import {
  formatPlatform,
  hostPlatform,
  matchesPlatform,
  type Platform,
  selectPlatform,
} from '../oci/platform.js';
import type { IndexEntry } from './index-file.js';

/** An image of the store, for one platform. */
export type ImageRecord = {
  /** The config digest's hexadecimal digits. */
  readonly id: string;
  /** The full reference it was found by; none for an untagged image. */
  readonly reference?: string;
  /** All full references of the same image id. */
  readonly references: readonly string[];
  /** As tagged: the manifest or an index that holds it. */
  readonly descriptor: Descriptor;
  readonly manifest: ImageManifest;
  readonly manifestDescriptor: Descriptor;
  readonly config: ImageConfig;
  readonly configDigest: Digest;
};

/** An index may hold indexes, but only so deep (S22). */
const indexDepth = 2;

/** Which image of an index is meant. */
export type ChooseImage = {
  /** This machine's by default. */
  readonly platform?: Platform;
  /** Where none is for this machine, the first one: for what is looked at or moved, but not run. */
  readonly nearest?: boolean;
};

/**
 * Reads the image behind an entry, for `platform` or this machine's.
 * @throws NOT_FOUND when blobs are missing or no entry suits the platform, UNSUPPORTED for what is no image.
 */
export function readImage(entry: IndexEntry, content: ContentStore, options: ChooseImage = {}): ImageRecord {
  const { manifest, descriptor: manifestDescriptor } = findManifest(
    entry.descriptor,
    content,
    options,
    indexDepth,
  );
  const config = readConfig(manifest, content);
  if (options.platform !== undefined) checkPlatform(config, options.platform, entry);
  return {
    id: digestHex(manifest.config.digest),
    ...(entry.reference === undefined ? {} : { reference: entry.reference }),
    references: entry.reference === undefined ? [] : [entry.reference],
    descriptor: entry.descriptor,
    manifest,
    manifestDescriptor,
    config,
    configDigest: manifest.config.digest,
  };
}

/** An image of an index by itself: without the images for other platforms. */
export function withoutIndex(image: ImageRecord): ImageRecord {
  const { digest, mediaType, size } = image.manifestDescriptor;
  return { ...image, descriptor: { mediaType, digest, size } };
}

function findManifest(
  descriptor: Descriptor,
  content: ContentStore,
  options: ChooseImage,
  depth: number,
): { readonly manifest: ImageManifest; readonly descriptor: Descriptor } {
  const where = `manifest ${descriptor.digest}`;
  if (!isManifest(descriptor.mediaType) && !isIndex(descriptor.mediaType)) {
    throw new CoracleError(
      'UNSUPPORTED',
      `read ${where}: media type ${JSON.stringify(descriptor.mediaType)} is no image`,
    );
  }
  const manifest = parseManifest(
    content.readTrusted(descriptor.digest, manifestLimit),
    where,
    descriptor.mediaType,
  );
  if (manifest.kind === 'manifest') return { manifest, descriptor };
  if (depth === 0) throw new CoracleError('INVALID', `read ${where}: indexes are nested too deeply`);
  const platform = options.platform ?? hostPlatform();
  const here = manifest.manifests.filter(({ digest }) => content.has(digest));
  const chosen = selectPlatform(here, platform) ?? (options.nearest === true ? firstImage(here) : undefined);
  if (chosen !== undefined) return findManifest(chosen, content, options, depth - 1);
  const wanted = formatPlatform(platform);
  const offered = here.flatMap((entry) => (isImage(entry) ? [platformName(entry)] : []));
  throw new CoracleError('NOT_FOUND', `read ${where}: no image for ${wanted} in the store`, {
    hint: `there is: ${[...new Set(offered)].join(', ') || 'nothing'}; coracle pull --platform ${wanted} fetches another one`,
  });
}

function platformName({ platform }: Descriptor): string {
  return platform === undefined ? 'unnamed' : formatPlatform(platform);
}

/** Attestations and other artifacts beside the images are none. */
function firstImage(entries: readonly Descriptor[]): Descriptor | undefined {
  return entries.find(isImage);
}

function isImage({ platform, annotations }: Descriptor): boolean {
  return platform?.architecture !== 'unknown' && annotations?.['vnd.docker.reference.type'] === undefined;
}

function readConfig(manifest: ImageManifest, content: ContentStore): ImageConfig {
  const { digest, mediaType } = manifest.config;
  if (!isImageConfig(mediaType)) {
    throw new CoracleError(
      'UNSUPPORTED',
      `read config ${digest}: media type ${JSON.stringify(mediaType)} is no image config`,
      {
        hint: 'this is another kind of artifact; it cannot be run',
      },
    );
  }
  const config = parseImageConfig(content.readTrusted(digest, imageConfigLimit), `config ${digest}`);
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length === manifest.layers.length) return config;
  throw new CoracleError(
    'INVALID',
    `read config ${digest}: ${diffIds.length} diff_ids, but the manifest has ${manifest.layers.length} layers`,
  );
}

function checkPlatform(config: ImageConfig, wanted: Platform, entry: IndexEntry): void {
  if (matchesPlatform(config, wanted)) return;
  const name = entry.reference ?? entry.descriptor.digest;
  throw new CoracleError(
    'NOT_FOUND',
    `open image ${name}: it is for ${formatPlatform(config)}, not ${formatPlatform(wanted)}`,
    {
      hint: `pull it with --platform ${formatPlatform(wanted)}`,
    },
  );
}
