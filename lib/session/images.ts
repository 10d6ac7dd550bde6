/** The image verbs: names as people type them, the work done by lib/image, lib/transfer and lib/build. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { RemoveImagesResult } from '../image/remove-images.js';
import type { Stores } from '../image/stores.js';
import { writeEvent } from '../native/journal.js';
import { digestHex } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { ApproveArchive, LoadedContent } from '../transfer/load.js';
import { namesToFind, nameToGive } from './image-names.js';
import { storedImage, storedName } from './image-source.js';
import type { ImportRequest, LoadRequest, SaveRequest } from './requests.js';
import type { Session } from './session.js';

export async function importRoot(
  session: Session,
  source: string | AsyncIterable<Uint8Array>,
  request: ImportRequest,
): Promise<ImageRecord> {
  const { importImage } = await import('../transfer/import.js');
  const platform = await session.platform(request.platform);
  const { approveArchive } = await import('./trusted-places.js');
  const stores = await session.stores();
  await approveArchive(session, 'tarball', request);
  const image = await importImage(stores, await openImport(session, source), {
    ...(request.reference === undefined ? {} : { reference: nameToGive(request.reference) }),
    ...(request.changes === undefined ? {} : { changes: request.changes }),
    ...(request.message === undefined ? {} : { message: request.message }),
    ...(platform === undefined ? {} : { platform }),
  });
  writeEvent(stores.paths, 'image', 'import', { id: image.id, name: image.reference });
  return image;
}

/** The content of a URL where the source is one. */
async function openImport(
  session: Session,
  source: string | AsyncIterable<Uint8Array>,
): Promise<string | AsyncIterable<Uint8Array>> {
  if (typeof source !== 'string' || !/^https?:\/\//i.test(source)) return source;
  if (!URL.canParse(source)) throw new CoracleError('USAGE', `import ${source}: it is no URL`);
  const { openUrl } = await import('../build/url.js');
  const { requestUrl } = await import('./url-requests.js');
  try {
    const response = await openUrl((request) => requestUrl(request, { env: session.env }), source);
    return response.body();
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    // What ends a build with 1 is here an error as any other.
    const { code, message, hint } = error;
    throw new CoracleError(code, message, { cause: error, exitCode: 125, ...present('hint', hint) });
  }
}

/** Gives an image another name; a bare one goes below `localhost/`. */
export async function tag(session: Session, image: string, name: string): Promise<string> {
  const stores = await session.stores();
  const found = storedImage(stores, image);
  if (parseReference(name).digest !== undefined) {
    throw new CoracleError('USAGE', `tag ${image} as ${name}: a digest is no name to give`, {
      hint: 'write NAME[:TAG]; an image has its digest by itself',
    });
  }
  const full = stores.images.tag(found, nameToGive(name));
  writeEvent(stores.paths, 'image', 'tag', { id: found.id, name: full });
  return full;
}

/** Takes names of an image away, all of them when none is given. */
export async function untag(
  session: Session,
  name: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const stores = await session.stores();
  const image = storedImage(stores, name);
  const full = names.length === 0 ? image.references : names.map((text) => nameOf(image, text));
  for (const reference of full) {
    stores.images.untag(reference);
    writeEvent(stores.paths, 'image', 'untag', { id: image.id, name: reference });
  }
  return full;
}

function nameOf(image: ImageRecord, text: string): string {
  const candidates = [text, ...namesToFind(text).map((one) => formatReference(parseReference(one)))];
  const found = image.references.find((reference) => candidates.includes(reference));
  if (found !== undefined) return found;
  throw new CoracleError('NOT_FOUND', `untag ${text}: it is no name of image ${image.id.slice(0, 12)}`, {
    hint: `its names: ${image.references.join(', ') || 'none'}`,
  });
}

export async function load(
  session: Session,
  source: string | AsyncIterable<Uint8Array>,
  { onEvent, signaturePolicy, ...request }: LoadRequest,
): Promise<readonly LoadedContent[]> {
  const { loadImages } = await import('../transfer/load.js');
  const { approveArchive } = await import('./trusted-places.js');
  const platform = await session.platform(request.platform);
  const stores = await session.stores();
  const approve: ApproveArchive = (form) => approveArchive(session, form, { source, signaturePolicy });
  const images = await loadImages(stores, source, onEvent, { approve, platform });
  for (const { id, reference: name } of images) {
    writeEvent(stores.paths, 'image', 'loadfromarchive', { id, name });
  }
  return images;
}

/** Saves images to an archive, or to a directory. */
export async function save(
  session: Session,
  names: readonly string[],
  destination: string,
  request: SaveRequest,
): Promise<void> {
  const { format = 'docker-archive', uncompressed = false } = request;
  const platform = await session.platform(request.platform);
  const stores = await session.stores();
  const stored = names.map((name) => storedName(stores, name));
  if (format === 'docker-dir') return saveDirectory(session, stored, destination, request);
  const { saveImages } = await import('../transfer/save.js');
  await saveImages(stores, stored, destination, { format, plain: uncompressed, platform });
  for (const name of stored) writeEvent(stores.paths, 'image', 'save', { name });
}

/** One image as the files of `dir:`, with docker's media types. */
async function saveDirectory(
  session: Session,
  [name = '', ...others]: readonly string[],
  path: string,
  { compress = false, platform }: SaveRequest,
): Promise<void> {
  if (others.length > 0) {
    throw new CoracleError('USAGE', `save ${others[0]}: a docker-dir holds one image`, {
      hint: 'oci-dir, oci-archive and docker-archive take several',
    });
  }
  const { copyBetween } = await import('./copy-image.js');
  const how = { format: 'v2s2', compress, platform } as const;
  await copyBetween(session, { kind: 'store', name }, { kind: 'dir', path }, how);
  writeEvent((await session.stores()).paths, 'image', 'save', { name });
}

/** Removes images; without `force` not those that are mounted. */
export async function removeAll(
  session: Session,
  names: readonly string[],
  force: boolean,
): Promise<RemoveImagesResult> {
  const { removeImages } = await import('../image/remove-images.js');
  const stores = await session.stores();
  const stored = names.map((name) => storedName(stores, name));
  const mounted = force ? [] : await mountedOf(stores, stored);
  const result = await removeImages(
    stores,
    stored.filter((name) => !mounted.includes(name)),
    { force },
  );
  const refused = mounted.map((name) => ({
    name,
    error: new CoracleError('IN_USE', `remove image ${name}: it is mounted`, {
      hint: 'coracle image unmount in the session that mounted it, or --force',
    }),
  }));
  return { ...result, failures: [...result.failures, ...refused] };
}

async function mountedOf(stores: Stores, names: readonly string[]): Promise<readonly string[]> {
  const { mountState } = await import('../image/mount-point.js');
  const { imageMountPlaces } = await import('./image-mounts.js');
  return names.filter((name) => {
    const config = stores.images.findEntry(name)?.config;
    return config !== undefined && mountState(imageMountPlaces(stores, digestHex(config))) !== 'none';
  });
}
