/** Loading images from archives: what `save` of this and other tools wrote. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { layoutNames } from '../oci/layout.js';
import type { Archive } from './archive.js';
import { type ArchiveSource, namingSource, withArchive } from './archive-source.js';
import { loadDockerArchive } from './docker-archive.js';
import { loadLegacyArchive } from './docker-legacy.js';
import { ignoreEvents, type OnTransferEvent } from './events.js';
import { loadLayout } from './layout-load.js';

/**
 * Loads every image of an archive: docker-archive (also the form before manifest.json), oci-archive, or an OCI
 * layout's directory, compressed or not, `-` for standard input. Names in the archive become names in the store; the
 * results have these alone.
 * @throws INVALID for what is no image archive, INTEGRITY for content that is not what its digest says.
 */
export async function loadImages(
  stores: Stores,
  source: ArchiveSource,
  onEvent: OnTransferEvent = ignoreEvents,
): Promise<readonly ImageRecord[]> {
  const lease = stores.staging.lease();
  try {
    return await namingSource(source, () =>
      withArchive(stores, source, (archive) => loadArchive(stores, archive, onEvent)),
    );
  } finally {
    lease.release();
  }
}

async function loadArchive(
  stores: Stores,
  archive: Archive,
  onEvent: OnTransferEvent,
): Promise<readonly ImageRecord[]> {
  const has = (name: string): boolean => archive.size(name) !== undefined;
  if (has('manifest.json')) return loadDockerArchive(stores, archive, onEvent);
  if (has(layoutNames.marker) || has(layoutNames.index)) return loadLayout(stores, archive, onEvent);
  if (has('repositories')) return loadLegacyArchive(stores, archive, onEvent);
  throw new CoracleError('INVALID', 'load archive: it holds neither manifest.json nor an OCI layout', {
    hint: 'to make an image of a root file system use coracle import',
  });
}
