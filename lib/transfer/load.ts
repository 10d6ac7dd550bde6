/** Loading images from archives: what `save` of this and other tools wrote. */
import { CoracleError } from '../errors.js';
import { type ImageRecord, readImage } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { unpackImage } from '../image/unpack.js';
import { layoutNames } from '../oci/layout.js';
import type { Platform } from '../oci/platform.js';
import type { Archive } from './archive.js';
import { type ArchiveSource, namingSource, withArchive } from './archive-source.js';
import { copyImage } from './copy.js';
import { loadDockerArchive } from './docker-archive.js';
import { loadLegacyArchive } from './docker-legacy.js';
import { ignoreEvents, type OnTransferEvent } from './events.js';
import { loadLayout } from './layout-load.js';
import type { LoadedContent, Loading } from './loaded-image.js';
import { directorySource, isImageDirectory } from './place-directory.js';
import { keptDescriptor, storeTarget } from './place-store.js';

export type { LoadedContent } from './loaded-image.js';

/** Returns for a form of archive that may be used. @throws FORBIDDEN */
export type ApproveArchive = (form: 'docker-archive' | 'oci' | 'dir') => Promise<void>;

export type LoadOptions = {
  readonly approve?: ApproveArchive;
  /** Of an index only the image for it; an image for another one is refused. */
  readonly platform?: Platform | undefined;
};

/**
 * Loads every image and artifact of an archive: docker-archive (also the form before manifest.json), oci-archive, an OCI layout's
 * directory or one in the form of `dir:`, compressed or not, `-` for standard input. Names in the archive become names in the store; the
 * results have these alone.
 * @throws INVALID for what is no image archive, NOT_FOUND for one without the platform, INTEGRITY for content that is not what its digest says.
 */
export async function loadImages(
  stores: Stores,
  source: ArchiveSource,
  onEvent: OnTransferEvent = ignoreEvents,
  options: LoadOptions = {},
): Promise<readonly LoadedContent[]> {
  const lease = stores.staging.lease();
  try {
    return await namingSource(source, () =>
      withArchive(stores, source, (archive) => loadArchive(stores, archive, { ...options, onEvent })),
    );
  } finally {
    lease.release();
  }
}

async function loadArchive(
  stores: Stores,
  archive: Archive,
  { approve = async () => undefined, ...options }: LoadOptions & Loading,
): Promise<readonly LoadedContent[]> {
  const has = (name: string): boolean => archive.size(name) !== undefined;
  if (await isImageDirectory(archive)) {
    await approve('dir');
    return [await loadDirectory(stores, archive, options)];
  }
  if (has('manifest.json')) {
    await approve('docker-archive');
    return loadDockerArchive(stores, archive, options);
  }
  if (has(layoutNames.marker) || has(layoutNames.index)) {
    await approve('oci');
    return loadLayout(stores, archive, options);
  }
  if (has('repositories')) {
    await approve('docker-archive');
    return loadLegacyArchive(stores, archive, options);
  }
  throw new CoracleError('INVALID', 'load archive: it holds neither manifest.json nor an OCI layout', {
    hint: 'to make an image of a root file system use coracle import',
  });
}

/** One image in the form of `dir:`, which has no name. */
async function loadDirectory(
  stores: Stores,
  archive: Archive,
  { onEvent, platform }: Loading,
): Promise<ImageRecord> {
  const target = storeTarget(stores, undefined);
  const choice = platform === undefined ? { multiArch: 'all' as const } : { platform };
  const source = directorySource('directory', archive);
  const { artifactType } = keptDescriptor(await source.root());
  if (artifactType !== undefined) {
    throw new CoracleError('UNSUPPORTED', 'load directory: it holds an artifact, and gives it no name', {
      hint: 'coracle copy dir:PATH store:NAME gives it one',
    });
  }
  const descriptor = await copyImage(source, target, { ...choice, onEvent });
  const image = readImage(
    { descriptor },
    stores.content,
    platform === undefined ? { nearest: true } : { platform },
  );
  await unpackImage(image, stores, { onWarning: (text) => onEvent({ kind: 'message', text }) });
  stores.images.add(descriptor);
  return { ...image, references: [] };
}
