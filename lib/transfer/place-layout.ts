/** `oci:` and `oci-archive:`: an image of an OCI layout, in a directory or a tar. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { writeOutput } from '../host/output-file.js';
import type { Stores } from '../image/stores.js';
import { writeTar } from '../layer/tar-writer.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import {
  annotationNames,
  layoutMarker,
  layoutNames,
  parseLayoutIndex,
  parseLayoutMarker,
} from '../oci/layout.js';
import { manifestLimit } from '../oci/manifest.js';
import { isIndex, isManifest } from '../oci/media-types.js';
import { type Archive, readFile } from './archive.js';
import { directoryFiles } from './archive-entries.js';
import { openArchive } from './archive-source.js';
import { BlobFiles } from './blob-files.js';
import { archiveIndexLimit } from './docker-archive.js';
import { addToLayout } from './layout-files.js';
import { type ImageSource, type ImageTarget, type PlacedManifest, placedManifest } from './place.js';
import type { Selection } from './place-name.js';

/** Opens an image of a layout for reading. @throws NOT_FOUND, INVALID */
export async function layoutSource(
  stores: Pick<Stores, 'staging'>,
  path: string,
  select: Selection,
): Promise<ImageSource> {
  const { archive, close } = await openArchive(stores, path);
  const read = async (descriptor: Descriptor): Promise<PlacedManifest> => {
    const name = blobName(descriptor.digest);
    if (archive.size(name) === undefined) throw missing(path, descriptor);
    return placedManifest(await readFile(archive, name, manifestLimit), `${path}: ${name}`, descriptor);
  };
  return {
    name: path,
    root: async () => read(selectEntry(await readEntries(archive, path), path, select)),
    child: read,
    open: (blob) => archive.open(blobName(blob.digest)),
    isMade: () => false,
    close: async () => close(),
  };
}

async function readEntries(archive: Archive, path: string): Promise<readonly Descriptor[]> {
  const { marker, index } = layoutNames;
  if (archive.size(index) === undefined) {
    throw new CoracleError('INVALID', `open OCI layout ${path}: it has no ${index}`);
  }
  if (archive.size(marker) !== undefined) {
    parseLayoutMarker((await readFile(archive, marker, 4096)).toString('utf8'), `${path}: ${marker}`);
  }
  const text = (await readFile(archive, index, archiveIndexLimit)).toString('utf8');
  const { manifests } = parseLayoutIndex(text, `${path}: ${index}`);
  return manifests.filter(({ mediaType }) => isManifest(mediaType) || isIndex(mediaType));
}

/** The entry that is meant. @throws NOT_FOUND with the names there are */
export function selectEntry(entries: readonly Descriptor[], path: string, select: Selection): Descriptor {
  const { name, digest, index } = select;
  const found = entries.filter(
    (entry, at) =>
      (name === undefined || namesOf(entry).includes(name)) &&
      (digest === undefined || entry.digest === digest) &&
      (index === undefined || at === index),
  );
  const [first] = found;
  if (first !== undefined && found.every((other) => other.digest === first.digest)) return first;
  const wanted = name ?? digest ?? (index === undefined ? undefined : `@${index}`);
  const none = wanted === undefined ? 'it has no image' : `it has no image ${wanted}`;
  const names = entries.flatMap((entry) => namesOf(entry).slice(0, 1));
  throw new CoracleError(
    'NOT_FOUND',
    `open ${path}: ${first === undefined ? none : 'it has several images'}`,
    {
      hint: `names there: ${[...new Set(names)].join(', ') || 'none'}; :@N means the one at place N`,
    },
  );
}

function namesOf({ annotations = {} }: Descriptor): readonly string[] {
  const { refName, containerdImageName } = annotationNames;
  return [annotations[refName], annotations[containerdImageName]].filter((name) => name !== undefined);
}

function missing(path: string, { digest }: Descriptor): CoracleError {
  return new CoracleError('NOT_FOUND', `open manifest ${digest} in ${path}: it is not there`);
}

/** Opens a layout's directory for writing; it is made where it is missing. */
export function layoutTarget(path: string, name: string | undefined): ImageTarget {
  const files = new BlobFiles(path, blobName);
  let begun = false;
  const begin = (): void => {
    if (begun) return;
    begun = true;
    files.makeDirectory(`${layoutNames.blobs}/sha256`);
    if (!existsSync(join(path, layoutNames.marker)))
      writeFileAtomic(join(path, layoutNames.marker), layoutMarker, { mode: 0o644 });
  };
  const putManifest = async ({ bytes, descriptor }: PlacedManifest): Promise<void> => {
    begin();
    await files.put(descriptor, () => once(bytes));
  };
  return {
    name: path,
    compresses: true,
    takesIndex: true,
    has: async (blob) => files.has(blob),
    put: async (blob, open) => {
      begin();
      if (digestAlgorithm(blob.digest) !== 'sha256')
        files.makeDirectory(`${layoutNames.blobs}/${digestAlgorithm(blob.digest)}`);
      await files.put(blob, open);
    },
    make: async (open) => {
      begin();
      return files.make(open);
    },
    putChild: putManifest,
    putRoot: async (document) => {
      await putManifest(document);
      addToLayout(join(path, layoutNames.index), [entryOf(document, name)]);
    },
    close: async () => undefined,
  };
}

function entryOf({ descriptor, manifest }: PlacedManifest, name: string | undefined): Descriptor {
  const { artifactType } = manifest;
  return {
    ...descriptor,
    ...(name === undefined ? {} : { annotations: { [annotationNames.refName]: name } }),
    ...(artifactType === undefined ? {} : { artifactType }),
  };
}

/** Opens a tar of a layout for writing; it appears when it is complete. */
export function layoutArchiveTarget(
  stores: Pick<Stores, 'staging'>,
  path: string,
  name: string | undefined,
): ImageTarget {
  const directory = stores.staging.open().directory('copy');
  const layout = layoutTarget(directory, name);
  return {
    ...layout,
    name: path,
    putRoot: async (document) => {
      await layout.putRoot(document);
      await writeOutput(path, writeTar(directoryFiles(directory)));
    },
    close: async () => rmSync(directory, { recursive: true, force: true }),
  };
}

function blobName(digest: Digest): string {
  return `${layoutNames.blobs}/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes;
}
