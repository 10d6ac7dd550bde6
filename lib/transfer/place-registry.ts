/** `docker://`: an image at a registry. */
import { type Reference, repositoryName } from '../oci/reference.js';
import { hasBlob, readBlob } from '../registry/blobs.js';
import { getManifest, putManifest } from '../registry/manifests.js';
import { mountBlob, uploadBlob, uploadStream } from '../registry/uploads.js';
import type { OnTransferEvent } from './events.js';
import type { ImageSource, ImageTarget } from './place.js';
import { type OpenedImage, openImage, openRegistry, type RegistryAccess } from './registry-access.js';

/** Opens an image of a registry for reading; nothing is sent yet. */
export function registrySource(
  reference: Reference,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
): ImageSource {
  const { registry, repository } = reference;
  let opened: Promise<OpenedImage> | undefined;
  const open = (): Promise<OpenedImage> => {
    opened ??= openImage(reference, access, onEvent);
    return opened;
  };
  return {
    name: repositoryName(reference),
    root: async () => (await open()).root,
    child: async (descriptor) => {
      const { client, repository: place } = await open();
      const { digest } = descriptor;
      return getManifest(client, { registry: client.registry, repository: place, digest }, descriptor);
    },
    open: async function* (blob) {
      const { client, repository: place } = await open();
      yield* readBlob(client, place, blob);
    },
    isMade: () => false,
    origin: { registry, repository },
    close: async () => {
      // what could not be opened has been closed
      await (await opened?.catch(() => undefined))?.client.close();
    },
  };
}

export type RegistryTargetOptions = {
  /** No tag: what is pushed is found by its digest alone. */
  readonly byDigest?: boolean;
};

/** Opens a name at a registry for writing; nothing is sent yet. */
export async function registryTarget(
  reference: Reference,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
  { byDigest = false }: RegistryTargetOptions = {},
): Promise<ImageTarget> {
  const { registry, repository } = reference;
  const client = await openRegistry(repositoryName(reference), access, onEvent);
  return {
    name: repositoryName(reference),
    registry,
    compresses: true,
    takesIndex: true,
    has: (blob) => hasBlob(client, repository, blob),
    put: async (blob, open, from) => {
      const near = from !== undefined && from !== repository;
      if (near && (await mountBlob(client, repository, blob.digest, from))) return;
      await uploadBlob(client, repository, blob, open);
    },
    make: (open) => uploadStream(client, repository, open),
    putChild: ({ bytes, descriptor: { mediaType, digest } }) =>
      putManifest(client, { registry, repository, digest }, { bytes, mediaType }),
    putRoot: ({ bytes, descriptor: { mediaType, digest } }) => {
      const { tag } = reference;
      const place = byDigest || tag === undefined ? { registry, repository, digest } : reference;
      return putManifest(client, place, { bytes, mediaType });
    },
    close: () => client.close(),
  };
}
