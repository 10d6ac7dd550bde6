/** Reading committed layers back as changesets, for measuring, push and save. */

import { createHash } from 'node:crypto';
import { CoracleError } from '../errors.js';
import { BlockRing, ringBytes } from '../layer/block-ring.js';
import { type DiffOptions, type DiffSource, diffTar } from '../layer/diff.js';
import type { Agent, Handle } from '../native/agent.js';
import { present } from '../oci/guards.js';
import type { SnapshotId, SnapshotRecord } from '../snapshot/record.js';
import type { ImageRecord } from './image-record.js';
import { layerChainIds } from './layer-chain-ids.js';
import { openInStore, type Stores } from './stores.js';

/** Handles of layers in one file agent of its own. */
export class LayerReader {
  readonly #stores: Stores;
  readonly #handles = new Map<SnapshotId, Handle>();
  #agent: Promise<Agent> | undefined;
  #ring: BlockRing | undefined;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  /** The layer's directory and the stack below it. */
  async source(record: SnapshotRecord): Promise<DiffSource> {
    this.#agent ??= this.#stores.ownAgent(ringBytes());
    const agent = await this.#agent;
    if (agent.memory !== undefined) this.#ring ??= new BlockRing(agent.memory);
    const [layer = 0, ...below] = await Promise.all(record.lowers.map((id) => this.#open(agent, id)));
    const lower = below.length === 0 ? undefined : await agent.stack(below);
    return { agent, layer, lower, ring: this.#ring };
  }

  async close(): Promise<void> {
    await (await this.#agent)?.close();
  }

  async #open(agent: Agent, id: SnapshotId): Promise<Handle> {
    const { paths, snapshots } = this.#stores;
    const known = this.#handles.get(id);
    if (known !== undefined) return known;
    const handle = await openInStore(agent, paths, snapshots.layerPath(id));
    this.#handles.set(id, handle);
    return handle;
  }
}

/**
 * A layer described uncompressed, as the tar its diffID stands for: kept as a blob where it was loaded from elsewhere and
 * its files do not give it again, else made from its snapshot.
 * @throws NOT_FOUND when its snapshot is gone; INTEGRITY after the last chunk when the snapshot was changed.
 */
export async function* readLayerTar(
  image: ImageRecord,
  index: number,
  stores: Stores,
  options: Pick<DiffOptions, 'lend'> = {},
): AsyncGenerator<Buffer, void, undefined> {
  const diffId = image.config.rootfs.diff_ids[index];
  if (diffId !== undefined && stores.content.has(diffId)) return yield* stores.content.open(diffId);
  const record = layerSnapshot(image, index, stores);
  const reader = new LayerReader(stores);
  const hash = createHash('sha256');
  try {
    const { clampMtime } = record;
    const source = await reader.source(record);
    for await (const chunk of diffTar(source, { ...options, ...present('clampMtime', clampMtime) })) {
      hash.update(chunk);
      yield chunk;
    }
  } finally {
    await reader.close();
  }
  const found = `sha256:${hash.digest('hex')}`;
  if (found === diffId) return;
  throw new CoracleError('INTEGRITY', `read layer ${diffId}: its files now have diffID ${found}`, {
    hint: 'files of the store were changed from outside: remove the image and build it again',
  });
}

/** The snapshot of an image's layer. @throws NOT_FOUND */
export function layerSnapshot(image: ImageRecord, index: number, stores: Stores): SnapshotRecord {
  const chainId = layerChainIds(image.config.rootfs.diff_ids)[index];
  const top = stores.images.topSnapshot(image);
  const own = top?.lowers[top.lowers.length - 1 - index];
  const record = own === undefined ? undefined : stores.snapshots.get(own);
  const found = record ?? (chainId === undefined ? undefined : stores.snapshots.byChainId(chainId));
  if (found !== undefined) return found;
  throw new CoracleError(
    'NOT_FOUND',
    `open layer ${index} of image ${image.id.slice(0, 12)}: its snapshot is gone`,
    {
      hint: 'remove the image and make it again',
    },
  );
}
