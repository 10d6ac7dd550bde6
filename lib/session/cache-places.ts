/** Registries as places of build caches. */
import type { CacheOrigin, CachePlaces, CacheTarget } from '../build/cache-place.js';
import { parseReference, type Reference, repositoryName } from '../oci/reference.js';
import { getBlob, hasBlob } from '../registry/blobs.js';
import type { RegistryClient } from '../registry/client.js';
import { findManifest, putManifest } from '../registry/manifests.js';
import { uploadBlob } from '../registry/uploads.js';
import { openRegistry, type RegistryAccess } from '../transfer/registry-access.js';

/** Opens caches in registries with the access a build has. */
export function cachePlaces(access: RegistryAccess, onMessage: (text: string) => void): CachePlaces {
  const open = (name: string): Opened => {
    const reference = parseReference(name);
    let made: Promise<RegistryClient> | undefined;
    const client = (): Promise<RegistryClient> => {
      made ??= openRegistry(repositoryName(reference), access, (event) => {
        if (event.kind === 'message') onMessage(event.text);
      });
      return made;
    };
    // what could not be opened needs no closing
    return { client, reference, close: async () => (await made?.catch(() => undefined))?.close() };
  };
  return {
    origin: (name) => origin(name, open(name)),
    target: (name) => target(name, open(name)),
  };
}

type Opened = {
  readonly client: () => Promise<RegistryClient>;
  readonly reference: Reference;
  readonly close: () => Promise<void>;
};

function origin(name: string, { client, reference, close }: Opened): CacheOrigin {
  return {
    name,
    manifest: async () => (await findManifest(await client(), reference))?.manifest,
    blob: async function* (descriptor) {
      const { chunks } = await getBlob(await client(), reference.repository, descriptor);
      yield* chunks;
    },
    close,
  };
}

function target(name: string, { client, reference, close }: Opened): CacheTarget {
  const { repository } = reference;
  return {
    name,
    has: async (descriptor) => hasBlob(await client(), repository, descriptor),
    put: async (descriptor, bytes) => uploadBlob(await client(), repository, descriptor, bytes),
    publish: async (bytes, mediaType) => {
      await putManifest(await client(), reference, { bytes, mediaType });
    },
    close,
  };
}
