/** Registries as places of build caches. */
import type { CacheOrigin, CachePlaces, CacheTarget } from '../build/cache-place.js';
import { CoracleError } from '../errors.js';
import { parseReference, type Reference } from '../oci/reference.js';
import { getBlob, hasBlob } from '../registry/blobs.js';
import type { RegistryClient } from '../registry/client.js';
import { getManifest, putManifest } from '../registry/manifests.js';
import { uploadBlob } from '../registry/uploads.js';
import { openRegistry, type RegistryAccess } from '../transfer/registry-access.js';

/** Opens caches in registries with the access a build has. */
export function cachePlaces(access: RegistryAccess, onMessage: (text: string) => void): CachePlaces {
  const open = (name: string): { readonly client: RegistryClient; readonly reference: Reference } => {
    const reference = parseReference(name);
    const client = openRegistry(reference.registry, access, (event) => {
      if (event.kind === 'message') onMessage(event.text);
    });
    return { client, reference };
  };
  return {
    origin: (name) => origin(name, open(name)),
    target: (name) => target(name, open(name)),
  };
}

type Opened = { readonly client: RegistryClient; readonly reference: Reference };

function origin(name: string, { client, reference }: Opened): CacheOrigin {
  return {
    name,
    manifest: async () => {
      try {
        return (await getManifest(client, reference)).manifest;
      } catch (error) {
        if (error instanceof CoracleError && error.code === 'NOT_FOUND') return undefined;
        throw error;
      }
    },
    blob: async function* (descriptor) {
      const { chunks } = await getBlob(client, reference.repository, descriptor);
      yield* chunks;
    },
    close: () => client.close(),
  };
}

function target(name: string, { client, reference }: Opened): CacheTarget {
  const { repository } = reference;
  return {
    name,
    has: (descriptor) => hasBlob(client, repository, descriptor),
    put: (descriptor, bytes) => uploadBlob(client, repository, descriptor, bytes),
    publish: (bytes, mediaType) => putManifest(client, reference, { bytes, mediaType }),
    close: () => client.close(),
  };
}
