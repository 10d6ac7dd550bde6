/** Saving images to an archive other tools read. */
import { CoracleError } from '../errors.js';
import { writeOutput } from '../host/output-file.js';
import { withoutIndex } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { writeTar } from '../layer/tar-writer.js';
import type { Descriptor } from '../oci/descriptor.js';
import { present } from '../oci/guards.js';
import type { Platform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { dockerArchiveEntries, type SavedImage } from './docker-save.js';
import { writeLayoutFiles } from './layout-files.js';
import { layoutEntries, type SavedEntry } from './layout-save.js';
import { restoreImage } from './restore-blobs.js';

/** The archive formats `save` writes. */
export type ArchiveFormat = 'docker-archive' | 'oci-archive';

/** Those and directories: an OCI layout, and one image as plain files. */
export type SaveFormat = ArchiveFormat | 'oci-dir' | 'docker-dir';

/**
 * Writes images to a directory, to a file (replaced when complete) or to standard output (`-`). Images named by an id are saved
 * without names.
 * @throws NOT_FOUND, INTEGRITY when files of the store were changed, IO, NO_SPACE.
 */
export async function saveImages(
  stores: Stores,
  names: readonly string[],
  destination: string,
  options: SaveOptions & { readonly format?: ArchiveFormat | 'oci-dir' } = {},
): Promise<void> {
  const named = names.map((name) => savedOf(stores, name, options.platform));
  const { format, plain } = options;
  const how = present('plain', plain);
  if (format === 'oci-dir') return writeLayout(stores, groupSaved(named), destination, how);
  return writeArchive(stores, groupSaved(named), destination, { ...how, ...present('format', format) });
}

type SaveOptions = {
  /** Layers made here are not compressed. */
  readonly plain?: boolean;
  /** Of an index only the image for it. */
  readonly platform?: Platform | undefined;
};

/** As `saveImages`, for images at hand with the names they get. */
export async function writeArchive(
  stores: Stores,
  saved: readonly (SavedImage | SavedEntry)[],
  destination: string,
  options: { readonly format?: ArchiveFormat; readonly plain?: boolean } = {},
): Promise<void> {
  const isLayout = options.format === 'oci-archive';
  const images = isLayout ? saved.filter(isImage) : saved.map(requireImage);
  const lease = stores.staging.lease();
  try {
    for (const { image } of images) await restoreImage(stores, image, { plain: !isLayout });
    const entries = isLayout
      ? layoutEntries(stores, saved.map(entryOf), options)
      : dockerArchiveEntries(stores, images);
    await writeOutput(destination, writeTar(entries));
  } finally {
    lease.release();
  }
}

/** Writes an OCI layout into a directory. Images of other names that a layout there has stay in it. */
export async function writeLayout(
  stores: Stores,
  saved: readonly (SavedImage | SavedEntry)[],
  directory: string,
  options: { readonly plain?: boolean } = {},
): Promise<void> {
  const lease = stores.staging.lease();
  try {
    for (const { image } of saved.filter(isImage)) await restoreImage(stores, image);
    await writeLayoutFiles(directory, layoutEntries(stores, saved.map(entryOf), options));
  } finally {
    lease.release();
  }
}

/** What a name stands for: an image, or an artifact as it is. @throws NOT_FOUND */
function savedOf(stores: Stores, name: string, platform: Platform | undefined): NamedContent {
  const entry = stores.images.findEntry(name);
  if (entry?.descriptor.artifactType !== undefined) {
    const { descriptor, reference } = entry;
    return { name, reference, saved: { descriptor } };
  }
  if (platform === undefined) {
    const image = stores.images.resolve(name, { nearest: true });
    return { name, reference: image.reference, saved: { image } };
  }
  const image = withoutIndex(stores.images.resolve(name, { platform }));
  return { name, reference: image.reference, saved: { image } };
}

type Content = Pick<SavedImage, 'image'> | Pick<SavedEntry, 'descriptor'>;
type NamedContent = {
  readonly name: string;
  readonly reference: string | undefined;
  readonly saved: Content;
};

/** One entry per image, in the order they were named, with the names they were named by. */
function groupSaved(named: readonly NamedContent[]): readonly (SavedImage | SavedEntry)[] {
  const groups = new Map<string, (SavedImage | SavedEntry) & { readonly references: string[] }>();
  for (const { name, reference, saved } of named) {
    const key = descriptorOf(saved).digest;
    const group = groups.get(key) ?? { ...saved, references: [] };
    groups.set(key, group);
    // by an id an image is found too, but its name was not asked for
    const asked =
      reference !== undefined && isReference(name) && formatReference(parseReference(name)) === reference;
    if (asked && !group.references.includes(reference)) group.references.push(reference);
  }
  return [...groups.values()];
}

function descriptorOf(saved: Content): Descriptor {
  return 'image' in saved ? saved.image.descriptor : saved.descriptor;
}

function entryOf(saved: SavedImage | SavedEntry): SavedEntry {
  return { descriptor: descriptorOf(saved), references: saved.references };
}

function isImage(saved: SavedImage | SavedEntry): saved is SavedImage {
  return 'image' in saved;
}

/** What an archive of docker's can hold. @throws UNSUPPORTED */
function requireImage(saved: SavedImage | SavedEntry): SavedImage {
  if (isImage(saved)) return saved;
  const name = saved.references[0] ?? saved.descriptor.digest;
  throw new CoracleError('UNSUPPORTED', `save ${name}: a docker-archive holds no artifact`, {
    hint: 'use --format oci-archive or oci-dir',
  });
}

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return false;
    throw error;
  }
}
