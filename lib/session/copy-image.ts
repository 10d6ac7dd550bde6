/** `copy`: an image from one place to another, as their names say. */
import { CoracleError } from '../errors.js';
import type { IndexEntry } from '../image/index-file.js';
import type { Stores } from '../image/stores.js';
import { writeEvent } from '../native/journal.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import type { CompressionMemory, CopyOptions } from '../transfer/copy.js';
import { ignoreEvents, type OnTransferEvent } from '../transfer/events.js';
import type { ImageSource, ImageTarget } from '../transfer/place.js';
import { type PlaceName, parsePlace } from '../transfer/place-name.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import { namesToFind, nameToGive } from './image-names.js';
import type { Session } from './session.js';
import type { SignRequest } from './signer.js';

export type CopyImageRequest = Omit<CopyOptions, 'platform' | 'memory' | 'onEvent'> & {
  readonly sourceAccess?: RegistryAccess | undefined;
  readonly targetAccess?: RegistryAccess | undefined;
  /** `OS/ARCH[/VARIANT]` to choose from an index; this machine's by default. */
  readonly platform?: string | undefined;
  /** Sign what is put at a registry. */
  readonly sign?: SignRequest | undefined;
  /** Further names in a docker-archive. */
  readonly additionalTags?: readonly string[] | undefined;
  readonly onEvent?: OnTransferEvent | undefined;
};

export type CopyImageResult = {
  /** Of what the target's name points at. */
  readonly digest: Digest;
};

/** Copies between places as people write them. */
export async function copyImage(
  session: Session,
  from: string,
  to: string,
  request: CopyImageRequest,
): Promise<CopyImageResult> {
  const [source, target] = [parsePlace(from), parsePlace(to)];
  return copyBetween(session, source, target, request);
}

/** As `copyImage`, for places at hand. */
export async function copyBetween(
  session: Session,
  from: PlaceName,
  to: PlaceName,
  request: CopyImageRequest,
): Promise<CopyImageResult> {
  const { onEvent = ignoreEvents } = request;
  const platform = await session.platform(request.platform);
  const stores = await session.stores();
  const { copyImage: copy } = await import('../transfer/copy.js');
  const lease = stores.staging.lease();
  try {
    await approveFiles(session, from, request);
    const source = await openSource(stores, from, accessOf(request, 'sourceAccess'), onEvent);
    try {
      const target = await openTarget(stores, to, request, onEvent);
      try {
        const memory = await compressionMemory(stores);
        const descriptor = await copy(source, target, { ...request, platform, memory, onEvent });
        tell(stores, from, to);
        warnOfTypes(descriptor, to, onEvent);
        return { digest: descriptor.digest };
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  } finally {
    lease.release();
  }
}

/** What comes from files is allowed by the place of the files. */
async function approveFiles(session: Session, from: PlaceName, request: CopyImageRequest): Promise<void> {
  if (from.kind === 'docker' || from.kind === 'store') return;
  const { approveArchive } = await import('./trusted-places.js');
  const form = from.kind === 'oci-archive' ? 'oci' : from.kind;
  await approveArchive(session, form, {
    source: from.path,
    signaturePolicy: request.sourceAccess?.signaturePolicy,
  });
}

/** The store's own, which push has as well. */
async function compressionMemory({ paths }: Stores): Promise<CompressionMemory> {
  const { rememberedLayer, rememberLayer } = await import('../transfer/compressed-layers.js');
  const { parseDiffId } = await import('../oci/chain-id.js');
  return {
    known: (digest, encoding) => rememberedLayer(paths, parseDiffId(digest, 'layer'), encoding),
    remember: (digest, encoding, blob) => rememberLayer(paths, parseDiffId(digest, 'layer'), encoding, blob),
  };
}

/** Others look in a layout for names of the specification's own types alone. */
function warnOfTypes({ mediaType }: Descriptor, to: PlaceName, onEvent: OnTransferEvent): void {
  if ((to.kind !== 'oci' && to.kind !== 'oci-archive') || mediaType.startsWith('application/vnd.oci.'))
    return;
  const text = `${to.path} holds a manifest of docker's type, so that its digest stays: skopeo and podman find it there by no name; --format oci converts it`;
  onEvent({ kind: 'message', text });
}

function tell({ paths }: Stores, from: PlaceName, to: PlaceName): void {
  if (to.kind === 'store') writeEvent(paths, 'image', 'pull', { name: nameToGive(to.name) });
  if (from.kind === 'store' && to.kind === 'docker') writeEvent(paths, 'image', 'push', { name: from.name });
}

function accessOf(request: CopyImageRequest, side: 'sourceAccess' | 'targetAccess'): RegistryAccess {
  const { signal } = request;
  return { ...request[side], ...(signal === undefined ? {} : { signal }) };
}

/** Opens a place for reading. Hold a lease. */
export async function openSource(
  stores: Stores,
  place: PlaceName,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
): Promise<ImageSource> {
  switch (place.kind) {
    case 'docker': {
      const { registrySource } = await import('../transfer/place-registry.js');
      return registrySource(place.reference, access, onEvent);
    }
    case 'oci':
    case 'oci-archive': {
      const { layoutSource } = await import('../transfer/place-layout.js');
      return layoutSource(stores, place.path, place.select);
    }
    case 'docker-archive': {
      const { dockerArchiveSource } = await import('../transfer/place-docker-archive.js');
      return dockerArchiveSource(stores, place.path, place.select);
    }
    case 'dir': {
      const { directorySource } = await import('../transfer/place-directory.js');
      return directorySource(place.path);
    }
    case 'store': {
      const { storeSource } = await import('../transfer/place-store.js');
      return storeSource(stores, storedEntry(stores, place.name));
    }
  }
}

async function openTarget(
  stores: Stores,
  place: PlaceName,
  request: CopyImageRequest,
  onEvent: OnTransferEvent,
): Promise<ImageTarget> {
  const { additionalTags = [] } = request;
  if (additionalTags.length > 0 && place.kind !== 'docker-archive') {
    throw new CoracleError('USAGE', 'use --additional-tag: only a docker-archive takes several names');
  }
  switch (place.kind) {
    case 'docker': {
      const { registryTarget } = await import('../transfer/place-registry.js');
      const { openSigner } = await import('./signer.js');
      const sign = await openSigner(request.sign, place.reference);
      return await registryTarget(place.reference, accessOf(request, 'targetAccess'), onEvent, { sign });
    }
    case 'oci':
    case 'oci-archive': {
      const { layoutArchiveTarget, layoutTarget } = await import('../transfer/place-layout.js');
      const { path, select } = place;
      const name = nameIn(place.kind, select);
      return place.kind === 'oci' ? layoutTarget(path, name) : layoutArchiveTarget(stores, path, name);
    }
    case 'docker-archive': {
      if (request.preserveDigests === true) throw noDigest(place.path);
      const { dockerArchiveTarget } = await import('../transfer/place-docker-archive.js');
      const name = nameIn(place.kind, place.select);
      const names = [...(name === undefined ? [] : [name]), ...additionalTags];
      return dockerArchiveTarget(stores, place.path, names);
    }
    case 'dir': {
      const { directoryTarget } = await import('../transfer/place-directory.js');
      return directoryTarget(place.path);
    }
    case 'store': {
      const { storeTarget } = await import('../transfer/place-store.js');
      return storeTarget(stores, nameToGive(place.name));
    }
  }
}

function noDigest(path: string): CoracleError {
  return new CoracleError(
    'UNSUPPORTED',
    `copy to docker-archive:${path}: it keeps no manifest, so no digest`,
    {
      hint: 'the id stays; write an oci-archive:, or leave out --preserve-digests',
    },
  );
}

function nameIn(
  kind: string,
  { name, digest, index }: { readonly name?: string; readonly digest?: Digest; readonly index?: number },
): string | undefined {
  if (digest === undefined && index === undefined) return name;
  throw new CoracleError('USAGE', `write ${kind}: give the image a name, not a digest or a place`);
}

/** What a name means in the store: an image, an index or an artifact. @throws NOT_FOUND */
export function storedEntry(stores: Stores, text: string): IndexEntry {
  for (const name of namesToFind(text)) {
    const entry = stores.images.findEntry(name);
    if (entry !== undefined) return entry;
  }
  throw new CoracleError('NOT_FOUND', `open image ${text}: not in the store`, {
    hint: 'coracle images lists what is there',
  });
}
