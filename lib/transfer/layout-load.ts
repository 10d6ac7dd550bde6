/** Reading OCI layouts: an oci-archive or a layout's directory. Blobs go into the store as they are. */
import { CoracleError } from '../errors.js';
import { type ImageRecord, readImage } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { unpackImage } from '../image/unpack.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestAlgorithm, digestHex } from '../oci/digest.js';
import { annotationNames, layoutNames, parseLayoutIndex, parseLayoutMarker } from '../oci/layout.js';
import { manifestLimit, parseManifest } from '../oci/manifest.js';
import { isIndex, isManifest } from '../oci/media-types.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { type Archive, readFile } from './archive.js';
import { archiveIndexLimit } from './docker-archive.js';
import { layerEventId, type OnTransferEvent } from './events.js';

/** An index may hold an index, but not more than one deeper (native.md S22). */
const indexDepth = 2;

/** Loads every image the layout's index names. Hold a lease. */
export async function loadLayout(
  stores: Stores,
  archive: Archive,
  onEvent: OnTransferEvent,
): Promise<readonly ImageRecord[]> {
  await checkMarker(archive);
  const text = (await readFile(archive, layoutNames.index, archiveIndexLimit)).toString('utf8');
  const index = parseLayoutIndex(text, layoutNames.index);
  const loaded: ImageRecord[] = [];
  for (const entry of index.manifests) {
    if (!isManifest(entry.mediaType) && !isIndex(entry.mediaType)) continue;
    const { annotations, ...descriptor } = entry;
    await copyGraph({ stores, archive, onEvent }, descriptor, indexDepth);
    loaded.push(await nameImage(stores, descriptor, referenceOf(annotations), onEvent));
  }
  if (loaded.length > 0) return loaded;
  throw new CoracleError('INVALID', `load archive: ${layoutNames.index} names no image`);
}

async function checkMarker(archive: Archive): Promise<void> {
  const { marker } = layoutNames;
  if (archive.size(marker) === undefined) return;
  parseLayoutMarker((await readFile(archive, marker, 4096)).toString('utf8'), marker);
}

type CopyContext = { readonly stores: Stores; readonly archive: Archive; readonly onEvent: OnTransferEvent };

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
  for (const entry of manifest.manifests) {
    if (context.archive.size(blobName(entry)) === undefined && !stores.content.has(entry.digest)) continue;
    await copyGraph(context, entry, depth - 1);
  }
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

/** The name an entry asks for. A single word is a local name, as Podman has it. */
function referenceOf(annotations: Readonly<Record<string, string>> = {}): string | undefined {
  const text = annotations[annotationNames.containerdImageName] ?? annotations[annotationNames.refName];
  if (text === undefined || text === '') return undefined;
  return formatReference(parseReference(/[:/]/.test(text) ? text : `localhost/${text}`));
}

async function nameImage(
  stores: Stores,
  descriptor: Descriptor,
  reference: string | undefined,
  onEvent: OnTransferEvent,
): Promise<ImageRecord> {
  const image = readImage({ descriptor }, stores.content);
  await unpackImage(image, stores, { onWarning: (text) => onEvent({ kind: 'message', text }) });
  if (reference === undefined) stores.images.add(descriptor);
  else stores.images.setTag(reference, descriptor, image.configDigest);
  const record = stores.images.resolve(reference ?? descriptor.digest);
  return { ...record, references: reference === undefined ? [] : [reference] };
}
