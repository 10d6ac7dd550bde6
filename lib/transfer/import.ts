/** Importing: a tar of a root file system becomes an image of one layer. */
import { assembleImage } from '../image/assemble.js';
import type { ImageRecord } from '../image/image-record.js';
import { openInStore, type Stores } from '../image/stores.js';
import { applyLayer } from '../layer/apply.js';
import { decompress } from '../layer/compression.js';
import { hostPlatform, type Platform } from '../oci/platform.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { type ArchiveSource, namingSource, openSource } from './archive-source.js';
import { applyChanges } from './config-change.js';
import { ignoreEvents, type OnTransferEvent } from './events.js';

export type ImportOptions = {
  /** The name it gets; none: it stays untagged. */
  readonly reference?: string;
  /** Dockerfile instructions that set defaults, as `--change` takes them. */
  readonly changes?: readonly string[];
  /** Comment of the one history entry. */
  readonly message?: string;
  /** What the image says it is for; this machine by default. */
  readonly platform?: Platform;
  /** RFC 3339; now by default. */
  readonly created?: string;
};

/**
 * Makes an image of a tar, compressed or not; `-` is standard input. Whiteout names in it delete nothing, as there
 * is nothing below.
 * @throws INVALID for what is no tar, USAGE for changes that cannot be made.
 */
export async function importImage(
  stores: Stores,
  source: ArchiveSource,
  options: ImportOptions = {},
  onEvent: OnTransferEvent = ignoreEvents,
): Promise<ImageRecord> {
  const config = applyChanges({}, options.changes ?? []);
  const { os, architecture, variant } = options.platform ?? hostPlatform();
  const created = options.created ?? new Date().toISOString();
  const lease = stores.staging.lease();
  try {
    const top = await namingSource(source, () => extractRoot(stores, source, onEvent));
    const history = [
      {
        created,
        created_by: 'coracle import',
        ...(options.message === undefined ? {} : { comment: options.message }),
      },
    ];
    const image = await assembleImage(
      {
        config: { created, architecture, os, ...(variant === undefined ? {} : { variant }), config, history },
        top,
      },
      stores,
    );
    if (options.reference === undefined) stores.images.add(image);
    else stores.images.tag(image, options.reference);
    return stores.images.resolve(options.reference ?? image.id);
  } finally {
    lease.release();
  }
}

/** The tar as a snapshot. Its diffID is that of the tar we would write, so it is measured later. */
async function extractRoot(
  stores: Stores,
  source: ArchiveSource,
  onEvent: OnTransferEvent,
): Promise<SnapshotRecord> {
  const active = stores.snapshots.prepare();
  const agent = await stores.ownAgent();
  try {
    const handle = await openInStore(agent, stores.paths, active.fs, { writable: true });
    const onProgress = (current: number): void =>
      onEvent({ kind: 'layer', id: 'import', status: 'extracting', current });
    const target = { agent, handle, idMap: stores.idMap() };
    const { warnings } = await applyLayer(decompress(openSource(source), 'auto'), target, { onProgress });
    for (const text of warnings) onEvent({ kind: 'message', text });
    return stores.snapshots.commit(active);
  } catch (error) {
    await stores.snapshots.discard(active, stores.removeTree);
    throw error;
  } finally {
    await agent.close();
  }
}
