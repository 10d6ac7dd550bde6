/** Loading images from archives: what `save` of this and other tools wrote. */
import { CoracleError } from '../errors.js';
import { type ImageRecord, readImage } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { unpackImage } from '../image/unpack.js';
import { layoutNames } from '../oci/layout.js';
import type { Archive } from './archive.js';
import { type ArchiveSource, namingSource, withArchive } from './archive-source.js';
import { copyImage } from './copy.js';
import { loadDockerArchive } from './docker-archive.js';
import { loadLegacyArchive } from './docker-legacy.js';
import { ignoreEvents, type OnTransferEvent } from './events.js';
import { loadLayout } from './layout-load.js';
import { directorySource, isImageDirectory } from './place-directory.js';
import { storeTarget } from './place-store.js';

/** Returns for a form of archive that may be used. @throws FORBIDDEN */
export type ApproveArchive = (form: 'docker-archive' | 'oci' | 'dir') => Promise<void>;

/**
 * Loads every image of an archive: docker-archive (also the form before manifest.json), oci-archive, an OCI layout's
 * directory or one in the form of `dir:`, compressed or not, `-` for standard input. Names in the archive become names in the store; the
 * results have these alone.
 * @throws INVALID for what is no image archive, INTEGRITY for content that is not what its digest says.
 */
export async function loadImages(
  stores: Stores,
  source: ArchiveSource,
  onEvent: OnTransferEvent = ignoreEvents,
  approve: ApproveArchive = async () => undefined,
): Promise<readonly ImageRecord[]> {
  const lease = stores.staging.lease();
  try {
    return await namingSource(source, () =>
      withArchive(stores, source, (archive) => loadArchive(stores, archive, { onEvent, approve })),
    );
  } finally {
    lease.release();
  }
}

async function loadArchive(
  stores: Stores,
  archive: Archive,
  { onEvent, approve }: { readonly onEvent: OnTransferEvent; readonly approve: ApproveArchive },
): Promise<readonly ImageRecord[]> {
  const has = (name: string): boolean => archive.size(name) !== undefined;
  if (await isImageDirectory(archive)) {
    await approve('dir');
    return [await loadDirectory(stores, archive, onEvent)];
  }
  if (has('manifest.json')) {
    await approve('docker-archive');
    return loadDockerArchive(stores, archive, onEvent);
  }
  if (has(layoutNames.marker) || has(layoutNames.index)) {
    await approve('oci');
    return loadLayout(stores, archive, onEvent);
  }
  if (has('repositories')) {
    await approve('docker-archive');
    return loadLegacyArchive(stores, archive, onEvent);
  }
  throw new CoracleError('INVALID', 'load archive: it holds neither manifest.json nor an OCI layout', {
    hint: 'to make an image of a root file system use coracle import',
  });
}

/** One image in the form of `dir:`, which has no name. */
async function loadDirectory(
  stores: Stores,
  archive: Archive,
  onEvent: OnTransferEvent,
): Promise<ImageRecord> {
  const target = storeTarget(stores, undefined);
  const descriptor = await copyImage(directorySource('directory', archive), target, {
    multiArch: 'all',
    onEvent,
  });
  const image = readImage({ descriptor }, stores.content, { nearest: true });
  await unpackImage(image, stores, { onWarning: (text) => onEvent({ kind: 'message', text }) });
  stores.images.add(descriptor);
  return { ...image, references: [] };
}
