/** From a reference at a registry to a manifest and config in the store, both verified. */
import { CoracleError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { type ImageConfig, imageConfigLimit, parseImageConfig } from '../oci/image-config.js';
import type { ImageIndex, ImageManifest } from '../oci/manifest.js';
import { isImageConfig, isIndex, isManifest, layerCompression } from '../oci/media-types.js';
import {
  formatPlatform,
  hostPlatform,
  matchesPlatform,
  type Platform,
  selectPlatform,
} from '../oci/platform.js';
import { formatReference, type Reference } from '../oci/reference.js';
import { type FetchedManifest, getManifest } from '../registry/manifests.js';
import { type BlobOrigin, downloadBlob } from './download.js';

/** An image whose manifest and config are in the store; its layers need not be. */
export type FetchedImage = {
  /** What the reference points at: the manifest, or the index it was chosen from. */
  readonly descriptor: Descriptor;
  readonly manifestDigest: Digest;
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  readonly configDigest: Digest;
};

/** An index may hold an index, but not more than one deeper (native.md S22). */
const indexDepth = 2;

/**
 * Takes what a reference points at, the root, chooses from an index, and stores the documents. Throws NOT_FOUND when an
 * index has nothing for the platform, UNSUPPORTED for artifacts that are no images.
 */
export async function fetchImage(
  stores: Stores,
  origin: BlobOrigin,
  reference: Reference,
  options: {
    readonly root: FetchedManifest;
    /** Asked before anything is stored: the manifest's digest, and the root's. */
    readonly approve: (digests: readonly Digest[]) => Promise<void>;
    readonly platform: Platform | undefined;
    readonly signal: AbortSignal;
  },
): Promise<FetchedImage> {
  const { client, repository } = origin;
  const name = formatReference(reference);
  const first = options.root;
  let current: FetchedManifest = first;
  const documents: FetchedManifest[] = [];
  for (let depth = 0; ; depth++) {
    documents.push(current);
    const { manifest } = current;
    if (manifest.kind === 'manifest') {
      await options.approve(distinct([current.descriptor.digest, first.descriptor.digest]));
      for (const { bytes } of documents) await stores.content.put(bytes);
      const config = await fetchConfig(stores, origin, manifest, options.signal);
      checkPlatform(name, config, first, options.platform);
      return {
        descriptor: first.descriptor,
        manifestDigest: current.descriptor.digest,
        manifest,
        config,
        configDigest: manifest.config.digest,
      };
    }
    if (depth === indexDepth)
      throw new CoracleError('INVALID', `pull ${name}: its indexes are nested too deeply`);
    const chosen = chooseManifest(name, manifest, options.platform ?? hostPlatform());
    const { digest } = chosen;
    current = await getManifest(client, { registry: client.registry, repository, digest }, chosen);
  }
}

function distinct(digests: readonly Digest[]): readonly Digest[] {
  return [...new Set(digests)];
}

function chooseManifest(name: string, index: ImageIndex, platform: Platform): Descriptor {
  const images = index.manifests.filter(({ mediaType }) => isManifest(mediaType) || isIndex(mediaType));
  const chosen = selectPlatform(images, platform);
  if (chosen !== undefined) return chosen;
  const offered = images.map((entry) =>
    entry.platform === undefined ? 'unnamed' : formatPlatform(entry.platform),
  );
  throw new CoracleError('NOT_FOUND', `pull ${name}: nothing for ${formatPlatform(platform)}`, {
    hint: `there is: ${[...new Set(offered)].join(', ')}; choose one with --platform`,
  });
}

async function fetchConfig(
  stores: Stores,
  origin: BlobOrigin,
  manifest: ImageManifest,
  signal: AbortSignal,
): Promise<ImageConfig> {
  const { digest, mediaType, size } = manifest.config;
  if (!isImageConfig(mediaType)) {
    throw new CoracleError(
      'UNSUPPORTED',
      `pull config ${digest}: media type ${JSON.stringify(mediaType)} is no image`,
      {
        hint: 'this is another kind of artifact; it cannot be run',
      },
    );
  }
  if (size > imageConfigLimit) {
    throw new CoracleError(
      'INVALID',
      `pull config ${digest}: ${size} bytes, more than the ${imageConfigLimit} allowed`,
    );
  }
  for (const layer of manifest.layers) layerCompression(layer.mediaType);
  await downloadBlob(stores, origin, manifest.config, { signal });
  const config = parseImageConfig(await stores.content.read(digest, imageConfigLimit), `config ${digest}`);
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length === manifest.layers.length) return config;
  throw new CoracleError(
    'INVALID',
    `pull config ${digest}: ${diffIds.length} diff_ids, but the manifest has ${manifest.layers.length} layers`,
  );
}

/** An image that comes without an index says its platform in the config only. */
function checkPlatform(
  name: string,
  config: ImageConfig,
  first: FetchedManifest,
  wanted: Platform | undefined,
): void {
  if (wanted === undefined || first.manifest.kind === 'index' || matchesPlatform(config, wanted)) return;
  throw new CoracleError(
    'NOT_FOUND',
    `pull ${name}: it is for ${formatPlatform(config)}, not ${formatPlatform(wanted)}`,
    {
      hint: 'leave --platform out to pull it all the same',
    },
  );
}
