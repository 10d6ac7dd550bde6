/** Pushing: an image, or a whole index, from the store to a registry. */
import { createHash } from 'node:crypto';
import { type ImageRecord, readImage } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import {
  type ImageIndex,
  type ImageManifest,
  manifestLimit,
  parseManifest,
  serializeManifest,
} from '../oci/manifest.js';
import { isImageConfig, isIndex, isLayer } from '../oci/media-types.js';
import { parseReference, type Reference, repositoryName } from '../oci/reference.js';
import { publishManifest } from '../registry/referrers.js';
import { type LayerEncoding, requireEncoding } from './compressed-layers.js';
import { ignoreEvents, type OnTransferEvent } from './events.js';
import { runParallel } from './parallel.js';
import { type PushTarget, pushBlob, pushLayer } from './push-layer.js';
import { openRegistry, type RegistryAccess } from './registry-access.js';
import type { Signer } from './signatures.js';
import { requireAttachments } from './trust.js';

export type PushOptions = RegistryAccess & {
  /** For layers made here; those that were pulled go as they are. Default gzip. */
  readonly compression?: LayerEncoding['kind'];
  readonly level?: number;
  /** No tag at the registry: what is pushed is found by its digest alone. */
  readonly byDigest?: boolean;
  /** Manifests are signed once they are there. */
  readonly sign?: Signer | undefined;
  /** Signatures that came with the image stay behind. */
  readonly removeSignatures?: boolean | undefined;
};

/** Layers sent at a time. */
const uploads = 4;

/** A manifest or index and its descriptor. */
export type Document = { readonly bytes: Buffer; readonly descriptor: Descriptor };

/**
 * Pushes an image under a reference. An index goes with all its images when the store has them all, else only
 * this platform's image goes. Resolves with what the reference then points at: layers made here get their
 * compressed form, so its digest may differ from the one in the store.
 * @throws NOT_FOUND, UNAUTHORIZED, NETWORK, REGISTRY, INTEGRITY when files of the store were changed.
 */
export async function pushImage(
  stores: Stores,
  source: string | ImageRecord,
  destination: string,
  options: PushOptions = {},
  onEvent: OnTransferEvent = ignoreEvents,
): Promise<{ readonly descriptor: Descriptor }> {
  const image = typeof source === 'string' ? stores.images.resolve(source) : source;
  const reference = parseReference(destination);
  const { compression: kind = 'gzip' } = options;
  const encoding = requireEncoding(kind, options.level);
  if (options.sign !== undefined) requireAttachments(reference, options);
  const client = await openRegistry(repositoryName(reference), options, onEvent);
  const { signal, env, retry, retryDelay } = options;
  const access = {
    ...present('signal', signal),
    ...present('env', env),
    ...present('retry', retry),
    ...present('retryDelay', retryDelay),
  };
  const { repository } = reference;
  const target: PushTarget = { stores, client, repository, encoding, access, onEvent, pushed: [] };
  const lease = stores.staging.lease();
  try {
    const document = await pushGraph(target, image, options.signal);
    const { digest, mediaType } = document.descriptor;
    const { registry } = reference;
    const place = options.byDigest === true ? { registry, repository, digest } : reference;
    await publishManifest(client, place, { bytes: document.bytes, mediaType });
    const digests = [...target.pushed, digest];
    if (options.removeSignatures !== true)
      await carryAll(target, digests, () => requireAttachments(reference, options));
    await signAll(target, digests, options.sign);
    return { descriptor: document.descriptor };
  } finally {
    lease.release();
    await client.close();
  }
}

/** Signatures that came with manifests of the store go along with them. */
async function carryAll(
  { stores, client, repository }: PushTarget,
  digests: readonly Digest[],
  requireRoom: () => void,
): Promise<void> {
  const { keptSignatures } = await import('./kept-signatures.js');
  for (const digest of new Set(digests)) {
    const signatures = keptSignatures(stores, digest);
    if (signatures.length === 0) continue;
    requireRoom();
    const { attachSignatures } = await import('./signatures.js');
    await attachSignatures(client, repository, digest, signatures);
  }
}

/** Each manifest for itself, since a reader may look at one image of an index alone. */
async function signAll(
  { client, repository }: PushTarget,
  digests: readonly Digest[],
  sign: Signer | undefined,
): Promise<void> {
  if (sign === undefined) return;
  const { attachSignature } = await import('./signatures.js');
  for (const digest of new Set(digests)) await attachSignature(client, repository, digest, sign);
}

async function pushGraph(
  target: PushTarget,
  image: ImageRecord,
  signal: AbortSignal | undefined,
): Promise<Document> {
  if (!isIndex(image.descriptor.mediaType)) return pushManifest(target, image, signal);
  const index = await readIndex(target.stores, image.descriptor);
  if (index !== undefined && isComplete(target.stores, index)) {
    return pushIndex(target, index, image.descriptor, signal);
  }
  const text = 'the store has only some of the index: pushing the image of this platform alone';
  target.onEvent({ kind: 'message', text });
  return pushManifest(target, image, signal);
}

/** All that an image's manifest names, then the manifest's bytes, which the caller stores under a name. */
async function pushManifest(
  target: PushTarget,
  image: ImageRecord,
  signal: AbortSignal | undefined,
): Promise<Document> {
  const { manifest } = image;
  const layers = [...manifest.layers];
  const tasks = layers.map((_layer, index) => async (): Promise<void> => {
    layers[index] = await pushLayer(target, image, index);
  });
  await runParallel(tasks, { limit: uploads, signal });
  await pushBlob(target, manifest.config);
  const same = layers.every((layer, index) => layer.digest === manifest.layers[index]?.digest);
  if (!same) return documentOf(Buffer.from(serializeManifest({ ...manifest, layers })), manifest.mediaType);
  const { digest } = image.manifestDescriptor;
  return documentOf(await target.stores.content.read(digest, manifestLimit), manifest.mediaType);
}

async function pushIndex(
  target: PushTarget,
  index: ImageIndex,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Document> {
  const { stores, client, repository } = target;
  const manifests: Descriptor[] = [];
  for (const entry of index.manifests) {
    const pushed = await pushEntry(target, entry, signal);
    const { digest, size, mediaType } = pushed.descriptor;
    const place: Reference = { registry: client.registry, repository, digest };
    await publishManifest(client, place, { bytes: pushed.bytes, mediaType });
    target.pushed.push(digest);
    manifests.push({ ...entry, digest, size });
  }
  const same = manifests.every(({ digest }, at) => digest === index.manifests[at]?.digest);
  if (!same) return documentOf(Buffer.from(serializeManifest({ ...index, manifests })), index.mediaType);
  return documentOf(await stores.content.read(descriptor.digest, manifestLimit), index.mediaType);
}

/** An entry of an index: an index again, an image, or an artifact such as a signature, which goes as it is. */
async function pushEntry(
  target: PushTarget,
  entry: Descriptor,
  signal: AbortSignal | undefined,
): Promise<Document> {
  const { content } = target.stores;
  const bytes = await content.read(entry.digest, manifestLimit);
  const manifest = parseManifest(bytes, `manifest ${entry.digest}`, entry.mediaType);
  if (manifest.kind === 'index') return pushIndex(target, manifest, entry, signal);
  if (isImageManifest(manifest)) {
    return pushManifest(target, readImage({ descriptor: entry }, content), signal);
  }
  const { config, layers } = manifest;
  for (const blob of [config, ...layers]) await pushBlob(target, blob);
  return documentOf(bytes, manifest.mediaType);
}

/** Whether a manifest is a container image's: artifacts have configs or layers of other types. */
export function isImageManifest({ config, layers }: ImageManifest): boolean {
  return isImageConfig(config.mediaType) && layers.every(({ mediaType }) => isLayer(mediaType));
}

/** Whether an image is an index of which the store has everything. */
export async function isWhole(stores: Stores, { descriptor }: ImageRecord): Promise<boolean> {
  const index = isIndex(descriptor.mediaType) ? await readIndex(stores, descriptor) : undefined;
  return index !== undefined && isComplete(stores, index);
}

/** Undefined when the index itself is not in the store. */
async function readIndex(stores: Stores, { digest, mediaType }: Descriptor): Promise<ImageIndex | undefined> {
  if (!stores.content.has(digest)) return undefined;
  const manifest = parseManifest(
    await stores.content.read(digest, manifestLimit),
    `manifest ${digest}`,
    mediaType,
  );
  return manifest.kind === 'index' ? manifest : undefined;
}

function isComplete(stores: Stores, index: ImageIndex): boolean {
  return index.manifests.every(({ digest }) => stores.content.has(digest));
}

/** A manifest and what it is as a blob. */
export function documentOf(bytes: Buffer, mediaType: string): Document {
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, 'manifest');
  return { bytes, descriptor: { mediaType, digest, size: bytes.length } };
}
