/** `manifest`: lists of images for several platforms, made and changed in the store. */
import { CoracleError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import { writeEvent } from '../native/journal.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, isDigest } from '../oci/digest.js';
import {
  changedEntry,
  changeEntry,
  dropEntry,
  type EntryChange,
  emptyIndex,
  putEntry,
} from '../oci/index-edit.js';
import { type ImageIndex, manifestLimit, parseManifest, serializeManifest } from '../oci/manifest.js';
import { isIndex } from '../oci/media-types.js';
import type { ArtifactOptions } from '../transfer/artifact.js';
import { ignoreEvents } from '../transfer/events.js';
import { parsePlace } from '../transfer/place-name.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import { type CopyImageRequest, copyBetween, openSource, storedEntry } from './copy-image.js';
import { namesToFind, nameToGive } from './image-names.js';
import { collectEntries, platformOfChange } from './list-entries.js';
import type { Session } from './session.js';

export type ListRequest = {
  /** Of an image that is a list itself: all its images. */
  readonly all?: boolean | undefined;
  readonly access?: RegistryAccess | undefined;
};

export type AddToListRequest = ListRequest & EntryChange;

export type AddArtifactRequest = Omit<ArtifactOptions, 'subject'> & {
  /** What the artifact is about, by name. */
  readonly subjectName?: string | undefined;
  readonly entry?: EntryChange | undefined;
};

/** A list and what it holds. */
export type ManifestList = {
  readonly reference: string;
  readonly descriptor: Descriptor;
  readonly index: ImageIndex;
};

/** Makes a list with images in it. @throws CONFLICT where the name is taken */
export async function createList(
  session: Session,
  name: string,
  images: readonly string[],
  request: ListRequest & {
    readonly amend?: boolean | undefined;
    readonly annotations?: EntryChange['annotations'];
  },
): Promise<Digest> {
  const stores = await session.stores();
  const reference = nameToGive(name);
  const lease = stores.staging.lease();
  try {
    const known = request.amend === true ? findList(stores, name) : undefined;
    let index = known?.index ?? emptyIndex;
    const annotations = { ...index.annotations, ...request.annotations };
    if (Object.keys(annotations).length > 0) index = { ...index, annotations };
    for (const image of images) {
      for (const entry of await collectEntries(session, image, request)) index = putEntry(index, entry);
    }
    const digest = await store(stores, known?.reference ?? reference, index, known?.descriptor.digest);
    if (digest === undefined) {
      throw new CoracleError('CONFLICT', `create manifest list ${name}: the name is taken`, {
        hint: '--amend changes a list that is there',
      });
    }
    return digest;
  } finally {
    lease.release();
  }
}

/** Adds an image to a list. Resolves with the list's digest. */
export async function addToList(
  session: Session,
  list: string,
  image: string,
  request: AddToListRequest,
): Promise<Digest> {
  const { all, access, ...change } = request;
  const platform = platformOfChange(change);
  return changeList(session, list, async (index) => {
    const entries = await collectEntries(session, image, { all, access, platform });
    return entries.map((entry) => changedEntry(entry, change)).reduce(putEntry, index);
  });
}

/** Makes an artifact of files and adds it to a list. */
export async function addArtifactToList(
  session: Session,
  list: string,
  files: readonly string[],
  request: AddArtifactRequest,
): Promise<Digest> {
  const { storeArtifact } = await import('../transfer/artifact.js');
  const stores = await session.stores();
  return changeList(session, list, async (index) => {
    const { subjectName, entry: change = {}, ...options } = request;
    const subject = subjectName === undefined ? undefined : await subjectOf(session, subjectName);
    const { descriptor, manifest } = await storeArtifact(stores, files, { ...options, subject });
    const { artifactType } = manifest;
    const entry = artifactType === undefined ? descriptor : { ...descriptor, artifactType };
    return putEntry(index, changedEntry(entry, change));
  });
}

/** Says more of an image in a list, or of the list itself where no image is named. */
export async function annotateList(
  session: Session,
  list: string,
  image: string | undefined,
  change: EntryChange & { readonly subject?: string | undefined },
): Promise<Digest> {
  const { subject, ...entry } = change;
  return changeList(session, list, async (index, stores) => {
    if (image !== undefined) {
      return entriesOf(stores, index, image).reduce((all, digest) => changeEntry(all, digest, entry), index);
    }
    const annotations = { ...index.annotations, ...entry.annotations };
    return {
      ...index,
      ...(subject === undefined ? {} : { subject: await subjectOf(session, subject) }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    };
  });
}

async function subjectOf(session: Session, text: string): Promise<Descriptor> {
  const [entry] = await collectEntries(session, text, {});
  if (entry === undefined) throw new CoracleError('NOT_FOUND', `open subject ${text}: it has no image`);
  const { mediaType, digest, size } = entry;
  return { mediaType, digest, size };
}

/** Takes images out of a list. */
export async function removeFromList(session: Session, list: string, image: string): Promise<Digest> {
  return changeList(session, list, (index, stores) =>
    entriesOf(stores, index, image).reduce((all, digest) => dropEntry(all, digest), index),
  );
}

/** The entries that a digest, or an image's name, means. @throws NOT_FOUND */
function entriesOf(stores: Stores, index: ImageIndex, text: string): readonly Digest[] {
  if (isDigest(text)) return [text];
  const { descriptor } = storedEntry(stores, text);
  if (!isIndex(descriptor.mediaType)) return [descriptor.digest];
  const inner = readIndex(stores, descriptor).manifests.map(({ digest }) => digest);
  return index.manifests.map(({ digest }) => digest).filter((digest) => inner.includes(digest));
}

/** Pushes a list to a place, by default the registry of its name. */
export async function pushList(
  session: Session,
  list: string,
  destination: string | undefined,
  request: CopyImageRequest,
): Promise<Digest> {
  const { reference } = openList(await session.stores(), list);
  const text = destination ?? reference;
  const to = /^[a-z-]+:\/\/|^(oci|oci-archive|dir):/.test(text) ? text : `docker://${text}`;
  const from = { kind: 'store', name: reference } as const;
  const { digest } = await copyBetween(session, from, parsePlace(to), { multiArch: 'all', ...request });
  return digest;
}

/** The manifest or index of a name as it is: of the store, else of a registry. */
export async function rawManifest(session: Session, text: string, access: RegistryAccess): Promise<string> {
  const stores = await session.stores();
  const place = /^(docker:\/\/|oci:|oci-archive:|dir:|docker-archive:)/.test(text)
    ? parsePlace(text)
    : findEntry(stores, text) === undefined
      ? parsePlace(`docker://${text}`)
      : ({ kind: 'store', name: text } as const);
  const source = await openSource(stores, place, access, ignoreEvents);
  try {
    return (await source.root()).bytes.toString('utf8');
  } finally {
    await source.close();
  }
}

/** Whether there is a list of this name. */
export async function listExists(session: Session, name: string): Promise<boolean> {
  return findList(await session.stores(), name) !== undefined;
}

/** Removes lists by name; their images stay where they have names. @throws NOT_FOUND */
export async function removeList(session: Session, name: string): Promise<string> {
  const stores = await session.stores();
  const { reference } = openList(stores, name);
  const { removeImages } = await import('../image/remove-images.js');
  const { failures } = await removeImages(stores, [reference]);
  for (const { error } of failures) throw error;
  return reference;
}

async function changeList(
  session: Session,
  name: string,
  edit: (index: ImageIndex, stores: Stores) => Promise<ImageIndex> | ImageIndex,
): Promise<Digest> {
  const stores = await session.stores();
  const lease = stores.staging.lease();
  try {
    for (;;) {
      const list = openList(stores, name);
      const index = await edit(list.index, stores);
      const digest = await store(stores, list.reference, index, list.descriptor.digest);
      // Somebody else changed it meanwhile: the change is made to what it is now.
      if (digest !== undefined) return digest;
    }
  } finally {
    lease.release();
  }
}

async function store(
  stores: Stores,
  reference: string,
  index: ImageIndex,
  before: Digest | undefined,
): Promise<Digest | undefined> {
  const bytes = Buffer.from(serializeManifest(index));
  parseManifest(bytes, `manifest list ${reference}`);
  const descriptor = { mediaType: index.mediaType, ...(await stores.content.put(bytes)) };
  if (!stores.images.replaceTag(reference, descriptor, before)) return undefined;
  writeEvent(stores.paths, 'image', 'tag', { name: reference });
  return descriptor.digest;
}

/** @throws NOT_FOUND */
function openList(stores: Stores, name: string): ManifestList {
  const list = findList(stores, name);
  if (list !== undefined) return list;
  const reason = findEntry(stores, name) === undefined ? 'not in the store' : 'it is no list';
  throw new CoracleError('NOT_FOUND', `open manifest list ${name}: ${reason}`, {
    hint: `coracle manifest create ${name}`,
  });
}

function findList(stores: Stores, name: string): ManifestList | undefined {
  const entry = findEntry(stores, name);
  if (entry?.reference === undefined || !isIndex(entry.descriptor.mediaType)) return undefined;
  const { reference, descriptor } = entry;
  return { reference, descriptor, index: readIndex(stores, descriptor) };
}

function findEntry(stores: Stores, name: string): ReturnType<Stores['images']['findEntry']> {
  return namesToFind(name)
    .map((candidate) => stores.images.findEntry(candidate))
    .find((entry) => entry !== undefined);
}

function readIndex({ content }: Stores, { digest, mediaType }: Descriptor): ImageIndex {
  const manifest = parseManifest(content.readTrusted(digest, manifestLimit), `manifest ${digest}`, mediaType);
  if (manifest.kind === 'index') return manifest;
  throw new CoracleError('INVALID', `read manifest ${digest}: an image where a list belongs`);
}
