/** `docker://`: an image at a registry. */
import { type Reference, repositoryName } from '../oci/reference.js';
import { hasBlob, readBlob } from '../registry/blobs.js';
import { getManifest } from '../registry/manifests.js';
import { publishManifest } from '../registry/referrers.js';
import { mountBlob, uploadBlob, uploadStream } from '../registry/uploads.js';
import type { OnTransferEvent } from './events.js';
import type { ImageSource, ImageTarget, PlacedManifest } from './place.js';
import { type OpenedImage, openImage, openRegistry, type RegistryAccess } from './registry-access.js';
import { attachSignature, attachSignatures, type Signer } from './signatures.js';
import { openRegistryGate, requireAttachments, signaturesAt } from './trust.js';

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
  const signatures = signaturesAt(reference, access, open);
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
    approve: async (digests) => {
      const gate = await openRegistryGate(reference, access);
      await gate(digests, signatures);
    },
    signatures: signatures.of,
    demandsSignatures: signatures.areDemanded,
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
  /** Manifests are signed once they are there. */
  readonly sign?: Signer | undefined;
};

/** Opens a name at a registry for writing; nothing is sent yet. */
export async function registryTarget(
  reference: Reference,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
  { byDigest = false, sign }: RegistryTargetOptions = {},
): Promise<ImageTarget> {
  const { registry, repository } = reference;
  if (sign !== undefined) requireAttachments(reference, access);
  const client = await openRegistry(repositoryName(reference), access, onEvent);
  const put = async (place: Reference, { bytes, descriptor }: PlacedManifest): Promise<void> => {
    await publishManifest(client, place, { bytes, mediaType: descriptor.mediaType });
    if (sign !== undefined) await attachSignature(client, repository, descriptor.digest, sign);
  };
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
    putChild: (document) => put({ registry, repository, digest: document.descriptor.digest }, document),
    putRoot: (document) => {
      const { digest } = document.descriptor;
      const bare = byDigest || reference.tag === undefined;
      return put(bare ? { registry, repository, digest } : reference, document);
    },
    putSignatures: async (digest, signatures) => {
      requireAttachments(reference, access);
      await attachSignatures(client, repository, digest, signatures);
    },
    close: () => client.close(),
  };
}
