/** Pulling: from a registry's image to blobs, snapshots and a name in the store. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { addon } from '../native/addon.js';
import { writeEvent } from '../native/journal.js';
import { digestHex } from '../oci/digest.js';
import { formatPlatform, hostPlatform, matchesPlatform, type Platform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { ignoreEvents, type OnTransferEvent } from './events.js';
import { type FetchedImage, fetchImage } from './fetch-image.js';
import { fetchLayers } from './fetch-layers.js';
import { keepSignatures } from './kept-signatures.js';
import { type RegistryAccess, readImageFrom } from './registry-access.js';
import { openRegistryGate, signaturesAt } from './trust.js';

/** When to ask the registry: always; unless the store has the name; always, but be content with what is here when that fails; never. */
export type PullPolicy = 'always' | 'missing' | 'newer' | 'never';

export type PullOptions = RegistryAccess & {
  readonly platform?: Platform;
  /** `always` unless said otherwise. */
  readonly policy?: PullPolicy;
};

/**
 * Makes the image available under its reference and unpacked. Layers that are here already, as blobs or
 * snapshots, are not fetched or unpacked again; extraction of a layer begins while it still comes.
 * @throws NOT_FOUND, INTEGRITY (nothing of the bad layer stays), NETWORK and ABORTED (partial layers stay for the
 * next attempt), UNAUTHORIZED, FORBIDDEN where a policy says so, UNSUPPORTED for what is no image.
 */
export async function pullImage(
  stores: Stores,
  text: string,
  options: PullOptions = {},
  onEvent: OnTransferEvent = ignoreEvents,
): Promise<ImageRecord> {
  const reference = parseReference(text);
  const name = formatReference(reference);
  const { policy = 'always' } = options;
  const platform = options.platform === undefined ? {} : { platform: options.platform };
  if (policy === 'never') return stores.images.resolve(name, platform);
  const present = policy === 'always' ? undefined : stores.images.find(name, platform);
  if (policy === 'missing' && present !== undefined) return present;
  try {
    await pull(stores, name, options, onEvent);
  } catch (error) {
    if (present === undefined || !(error instanceof CoracleError) || error.code !== 'NETWORK') throw error;
    onEvent({ kind: 'message', text: `${error.message}; using the image in the store` });
  }
  return stores.images.resolve(name, platform);
}

async function pull(
  stores: Stores,
  name: string,
  options: PullOptions,
  onEvent: OnTransferEvent,
): Promise<void> {
  // a pull of any size is to take the same memory
  addon().returnMemory();
  const reference = parseReference(name);
  const gate = await openRegistryGate(reference, options);
  await readImageFrom(reference, options, onEvent, async ({ root, ...origin }) => {
    const signatures = signaturesAt(reference, options, async () => origin);
    const signal = options.signal ?? new AbortController().signal;
    const lease = stores.staging.lease();
    try {
      const image = await fetchImage(stores, origin, reference, {
        root,
        approve: (digests) => gate(digests, signatures),
        platform: options.platform,
        signal,
      });
      warnOfForeignPlatform(image, options, onEvent);
      await fetchLayers(stores, origin, image, { signal, onEvent });
      if (signatures.areDemanded) await signatures.of(image.manifestDigest);
      for (const [digest, found] of signatures.seen) keepSignatures(stores, digest, found);
      stores.images.setTag(name, image.descriptor, image.configDigest);
      writeEvent(stores.paths, 'image', 'pull', { id: digestHex(image.configDigest), name });
    } finally {
      lease.release();
    }
  });
}

/** An image whose platform is not this machine's is kept, but the user should hear of it. */
function warnOfForeignPlatform(
  { config }: FetchedImage,
  options: PullOptions,
  onEvent: OnTransferEvent,
): void {
  if (options.platform !== undefined || matchesPlatform(config, hostPlatform())) return;
  const text = `the image is for ${formatPlatform(config)}, this machine is ${formatPlatform(hostPlatform())}`;
  onEvent({ kind: 'message', text });
}
