/** Reading OCI layouts: an oci-archive or a layout's directory. Blobs go into the store as they are. */
import { CoracleError } from '../errors.js';
import { type ImageRecord, readImage } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { unpackImage } from '../image/unpack.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestAlgorithm, digestHex } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { annotationNames, layoutNames, parseLayoutIndex, parseLayoutMarker } from '../oci/layout.js';
import { manifestLimit, parseManifest } from '../oci/manifest.js';
import { isIndex, isManifest } from '../oci/media-types.js';
import { formatPlatform, type Platform, selectPlatform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { type Archive, openDirectory, readFile } from './archive.js';
import { archiveIndexLimit } from './docker-archive.js';
import { layerEventId } from './events.js';
import type { LoadedContent, Loading } from './loaded-image.js';
import { placedManifest } from './place.js';
import { keptDescriptor } from './place-store.js';

/** An index may hold an index, but not more than one deeper (native.md S22). */
const indexDepth = 2;

/** Loads every image the layout's index names. Hold a lease. */
export async function loadLayout(
  stores: Stores,
  archive: Archive,
  loading: Loading,
): Promise<readonly LoadedContent[]> {
  await checkMarker(archive);
  const text = (await readFile(archive, layoutNames.index, archiveIndexLimit)).toString('utf8');
  const index = parseLayoutIndex(text, layoutNames.index);
  const entries = index.manifests.filter(({ mediaType }) => isManifest(mediaType) || isIndex(mediaType));
  // Nothing gets a name before all of it is there.
  for (const entry of entries) await copyGraph({ stores, archive, ...loading }, entry, indexDepth);
  const loaded: LoadedContent[] = [];
  for (const { annotations, ...descriptor } of entries) {
    const one = await nameContent(stores, descriptor, referenceOf(annotations), loading);
    if (one !== undefined) loaded.push(one);
  }
  if (loaded.length > 0) return loaded;
  throw new CoracleError('INVALID', `load archive: ${layoutNames.index} names no image`);
}

/**
 * One image of a layout's directory, its blobs in the store but under no name: by tag, by digest, or the only one.
 * @throws NOT_FOUND, INVALID. Hold a lease.
 */
export async function loadLayoutImage(
  stores: Stores,
  path: string,
  select: { readonly tag?: string; readonly digest?: string },
  platform?: Platform,
): Promise<ImageRecord> {
  const archive = openDirectory(path);
  await checkMarker(archive);
  const text = (await readFile(archive, layoutNames.index, archiveIndexLimit)).toString('utf8');
  const index = parseLayoutIndex(text, layoutNames.index);
  const images = index.manifests.filter(({ mediaType }) => isManifest(mediaType) || isIndex(mediaType));
  const { tag, digest } = select;
  const found = images.filter(
    (entry) =>
      (digest === undefined || entry.digest === digest) &&
      (tag === undefined || hasTag(entry.annotations?.[annotationNames.refName], tag)),
  );
  const [entry, other] = found;
  if (entry === undefined || (other !== undefined && other.digest !== entry.digest)) {
    const tags = images.flatMap(({ annotations }) => annotations?.[annotationNames.refName] ?? []);
    const wanted = digest ?? tag;
    const reason =
      entry === undefined ? `it has no image ${wanted ?? ''}`.trimEnd() : 'it has several images';
    throw new CoracleError('NOT_FOUND', `open oci-layout ${path}: ${reason}`, {
      hint: `write oci-layout://PATH:TAG or @DIGEST; tags there: ${tags.join(', ') || 'none'}`,
    });
  }
  const { annotations: _names, ...descriptor } = entry;
  await copyGraph({ stores, archive, onEvent: () => undefined }, descriptor, indexDepth);
  return readImage({ descriptor }, stores.content, platform === undefined ? {} : { platform });
}

/** Some tools write the tag alone, others the whole reference. */
function hasTag(name: string | undefined, tag: string): boolean {
  return name === tag || name?.endsWith(`:${tag}`) === true;
}

async function checkMarker(archive: Archive): Promise<void> {
  const { marker } = layoutNames;
  if (archive.size(marker) === undefined) return;
  parseLayoutMarker((await readFile(archive, marker, 4096)).toString('utf8'), marker);
}

type CopyContext = Loading & { readonly stores: Stores; readonly archive: Archive };

/** Ingests a manifest or index and all it names. Of an index, images that are not in the archive are passed over. */
async function copyGraph(context: CopyContext, descriptor: Descriptor, depth: number): Promise<void> {
  const { stores } = context;
  const { digest, mediaType, size } = descriptor;
  if (size > manifestLimit)
    throw new CoracleError('INVALID', `load manifest ${digest}: ${size} bytes are too many`);
  await copyBlob(context, descriptor);
  const manifest = parseManifest(
    await stores.content.read(digest, manifestLimit),
    `manifest ${digest}`,
    mediaType,
  );
  if (manifest.kind === 'manifest') {
    for (const blob of [manifest.config, ...manifest.layers]) await copyBlob(context, blob);
    return;
  }
  if (depth === 0)
    throw new CoracleError('INVALID', `load manifest ${digest}: indexes are nested too deeply`);
  const here = manifest.manifests.filter(
    (entry) => context.archive.size(blobName(entry)) !== undefined || stores.content.has(entry.digest),
  );
  for (const entry of chosenOf(descriptor, here, context.platform)) {
    await copyGraph(context, entry, depth - 1);
  }
}

/** @throws NOT_FOUND when there is nothing for the platform */
function chosenOf(
  index: Descriptor,
  here: readonly Descriptor[],
  platform: Platform | undefined,
): readonly Descriptor[] {
  if (platform === undefined) return here;
  const chosen = selectPlatform(here, platform);
  if (chosen !== undefined) return [chosen];
  const offered = here.flatMap((entry) => (entry.platform ? formatPlatform(entry.platform) : []));
  const name = referenceOf(index.annotations) ?? index.digest;
  throw new CoracleError('NOT_FOUND', `load ${name}: nothing for ${formatPlatform(platform)}`, {
    hint: `there is: ${[...new Set(offered)].join(', ') || 'nothing'}`,
  });
}

async function copyBlob({ stores, archive, onEvent }: CopyContext, blob: Descriptor): Promise<void> {
  const { digest, size } = blob;
  const id = layerEventId(digest);
  if (stores.content.size(digest) === size) {
    onEvent({ kind: 'layer', id, status: 'exists', total: size });
    return;
  }
  await stores.content.ingest(archive.open(blobName(blob)), { digest, size });
  onEvent({ kind: 'layer', id, status: 'done', current: size, total: size });
}

function blobName({ digest }: Descriptor): string {
  return `${layoutNames.blobs}/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

/** The name an entry asks for. One without a registry is local, as Podman has it; containerd's is always whole. */
function referenceOf(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  const { [annotationNames.containerdImageName]: whole, [annotationNames.refName]: name } = annotations;
  const text = whole ?? name;
  if (text === undefined || text === '') return undefined;
  const first = /^[^/]+(?=\/)/.exec(text)?.[0] ?? '';
  const isLocal = whole === undefined && !/[.:]|^localhost$/.test(first);
  return formatReference(parseReference(isLocal ? `localhost/${text}` : text));
}

async function nameContent(
  stores: Stores,
  descriptor: Descriptor,
  reference: string | undefined,
  loading: Loading,
): Promise<LoadedContent | undefined> {
  const bytes = await stores.content.read(descriptor.digest, manifestLimit);
  const kept = keptDescriptor(placedManifest(bytes, `manifest ${descriptor.digest}`, descriptor));
  const { artifactType } = kept;
  if (artifactType === undefined) return nameImage(stores, descriptor, reference, loading);
  const id = digestHex(descriptor.digest);
  if (reference === undefined) {
    const text = `artifact ${id.slice(0, 12)} has no name: left out; coracle copy oci:PATH store:NAME gives it one`;
    loading.onEvent({ kind: 'message', text });
    return undefined;
  }
  stores.images.setTag(reference, kept);
  return { id, artifactType, reference, references: [reference], descriptor: kept };
}

async function nameImage(
  stores: Stores,
  descriptor: Descriptor,
  reference: string | undefined,
  { onEvent, platform }: Loading,
): Promise<ImageRecord> {
  const choice = platform === undefined ? { nearest: true } : { platform };
  const named = { descriptor, ...present('reference', reference) };
  const image = readImage(named, stores.content, choice);
  await unpackImage(image, stores, { onWarning: (text) => onEvent({ kind: 'message', text }) });
  if (reference === undefined) stores.images.add(descriptor);
  else stores.images.setTag(reference, descriptor, image.configDigest);
  return image;
}
