/** Fetching again what a store lost: one blob or manifest, by digest. */
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { isIndex, isManifest } from '../oci/media-types.js';
import type { Reference } from '../oci/reference.js';
import { getManifest } from '../registry/manifests.js';
import { downloadBlob } from './download.js';
import { ignoreEvents } from './events.js';
import { openRegistry, type RegistryAccess } from './registry-access.js';

/**
 * Fetches what a descriptor stands for from the repository of a reference, whatever its tag means by now.
 * @throws NOT_FOUND, NETWORK, UNAUTHORIZED, INTEGRITY
 */
export async function refetchBlob(
  stores: Stores,
  reference: Reference,
  descriptor: Descriptor,
  access: RegistryAccess,
): Promise<void> {
  const client = await openRegistry(reference.registry, access, ignoreEvents);
  const { repository } = reference;
  try {
    if (isManifest(descriptor.mediaType) || isIndex(descriptor.mediaType)) {
      const { tag: _tag, ...bare } = reference;
      const { bytes } = await getManifest(client, { ...bare, digest: descriptor.digest }, descriptor);
      await stores.content.put(bytes);
      return;
    }
    const signal = access.signal ?? new AbortController().signal;
    await downloadBlob(stores, { client, repository }, descriptor, { signal });
  } finally {
    await client.close();
  }
}
