/** Saving images to an archive other tools read. */
import { CoracleError } from '../errors.js';
import { writeOutput } from '../host/output-file.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { writeTar } from '../layer/tar-writer.js';
import { present } from '../oci/guards.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { dockerArchiveEntries, type SavedImage } from './docker-save.js';
import { writeLayoutFiles } from './layout-files.js';
import { layoutEntries } from './layout-save.js';
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
  options: { readonly format?: ArchiveFormat | 'oci-dir'; readonly plain?: boolean } = {},
): Promise<void> {
  const images = groupImages(
    names.map((name) => ({ name, image: stores.images.resolve(name, { nearest: true }) })),
  );
  const { format, ...how } = options;
  if (format === 'oci-dir') await writeLayout(stores, images, destination, how);
  else await writeArchive(stores, images, destination, { ...how, ...present('format', format) });
}

/** As `saveImages`, for images at hand with the names they get. */
export async function writeArchive(
  stores: Stores,
  images: readonly SavedImage[],
  destination: string,
  options: { readonly format?: ArchiveFormat; readonly plain?: boolean } = {},
): Promise<void> {
  const lease = stores.staging.lease();
  try {
    const plain = options.format !== 'oci-archive';
    for (const { image } of images) await restoreImage(stores, image, { plain });
    const entries =
      options.format === 'oci-archive'
        ? layoutEntries(stores, images, options)
        : dockerArchiveEntries(stores, images);
    await writeOutput(destination, writeTar(entries));
  } finally {
    lease.release();
  }
}

/** Writes an OCI layout into a directory. Images of other names that a layout there has stay in it. */
export async function writeLayout(
  stores: Stores,
  images: readonly SavedImage[],
  directory: string,
  options: { readonly plain?: boolean } = {},
): Promise<void> {
  const lease = stores.staging.lease();
  try {
    for (const { image } of images) await restoreImage(stores, image);
    await writeLayoutFiles(directory, layoutEntries(stores, images, options));
  } finally {
    lease.release();
  }
}

type NamedImage = { readonly name: string; readonly image: ImageRecord };

/** One entry per image, in the order they were named, with the names they were named by. */
function groupImages(named: readonly NamedImage[]): readonly SavedImage[] {
  const groups = new Map<string, { image: ImageRecord; references: string[] }>();
  for (const { name, image } of named) {
    const key = image.descriptor.digest;
    const group = groups.get(key) ?? { image, references: [] };
    groups.set(key, group);
    const { reference } = image;
    // by an id an image is found too, but its name was not asked for
    const asked =
      reference !== undefined && isReference(name) && formatReference(parseReference(name)) === reference;
    if (asked && !group.references.includes(reference)) group.references.push(reference);
  }
  return [...groups.values()];
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
