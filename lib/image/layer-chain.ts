/**
 * Unpacking an image's layers, lowest first. A chain skips layers whose snapshots are there, applies the
 * missing ones one above the other, and commits them with one sync at the end.
 *
 * Two processes must not do the same work: the lowest missing layer's chainID is locked, and whoever waited for
 * it looks again. Layers may come from blobs or straight from the network.
 */

import { join } from 'node:path';
import { waitForLock } from '../content/partial-ingest.js';
import { CoracleError } from '../errors.js';
import type { HeldLock } from '../host/staging.js';
import { type AppliedLayer, applyBytes } from '../layer/apply.js';
import { unpackingRingBytes } from '../layer/block-ring.js';
import type { Compression } from '../layer/compression.js';
import { expandedBytes } from '../layer/layer-bytes.js';
import type { Agent, Handle } from '../native/agent.js';
import type { ChainId, DiffId } from '../oci/chain-id.js';
import { digestHex } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { ActiveSnapshot, CommittedLayer } from '../snapshot/snapshot-store.js';
import { layerChainIds } from './layer-chain-ids.js';
import { openInStore, type Stores } from './stores.js';
import { UnpackSync } from './unpack-sync.js';

export type ApplySource = {
  /** The layer's bytes as stored or received. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** `bytes` uses the memory of a piece again when it is asked for the next one. */
  readonly reused?: boolean;
  readonly compression: Compression | 'auto';
  /** Called with the uncompressed bytes so far. */
  readonly onProgress?: (bytes: number) => void;
  /** Find out whether the files alone give the tar again. */
  readonly compare?: boolean;
  /** With `compare`: told as soon as they are known not to. */
  readonly onForeign?: () => void;
};

export class LayerChain {
  readonly #stores: Stores;
  readonly #diffIds: readonly DiffId[];
  readonly #chainIds: readonly ChainId[];
  readonly #lease: HeldLock;
  readonly #staged: CommittedLayer[] = [];
  readonly #handles: Handle[] = [];
  readonly #warnings: string[] = [];
  readonly #sync: UnpackSync;
  #locks: HeldLock[] = [];
  #committed: SnapshotRecord | undefined;
  #next = 0;
  #agent: Agent | undefined;

  private constructor(stores: Stores, diffIds: readonly DiffId[]) {
    this.#stores = stores;
    this.#diffIds = diffIds;
    this.#chainIds = layerChainIds(diffIds);
    this.#lease = stores.staging.lease();
    this.#sync = new UnpackSync(stores.paths.snapshots);
  }

  /**
   * Begins at the first missing layer, waiting for another process that works on it.
   * End it with `finish` or `abandon`.
   */
  static async open(stores: Stores, diffIds: readonly DiffId[], signal?: AbortSignal): Promise<LayerChain> {
    const chain = new LayerChain(stores, diffIds);
    try {
      await chain.#skipPresent(signal);
      return chain;
    } catch (error) {
      await chain.abandon();
      throw error;
    }
  }

  /** The index of the layer to apply next, undefined when none is missing. */
  get next(): number | undefined {
    return this.#next < this.#diffIds.length ? this.#next : undefined;
  }

  /** What could not be kept of the layers so far, for the user. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /**
   * Extracts the next layer and compares its diffID with the config's.
   * @returns the form of its tar, where `compare` asks for it.
   * @throws INTEGRITY when they differ; the chain must then be abandoned.
   */
  async apply(source: ApplySource): Promise<Pick<AppliedLayer, 'form'>> {
    const diffId = this.#diffIds[this.#next];
    const chainId = this.#chainIds[this.#next];
    if (diffId === undefined || chainId === undefined) {
      throw new CoracleError('INTERNAL', 'apply layer: none is missing');
    }
    const active = this.#stores.snapshots.prepare(this.#staged.at(-1)?.active ?? this.#committed);
    this.#staged.push({ active, facts: { chainId, diffId } });
    const applied = await this.#extract(active, source);
    if (applied.diffId !== diffId) {
      throw new CoracleError('INTEGRITY', `apply layer ${diffId}: the content has diffID ${applied.diffId}`, {
        hint: 'the image is inconsistent: its config and its layers do not belong together',
      });
    }
    this.#staged[this.#staged.length - 1] = { active, facts: { chainId, diffId, size: applied.size } };
    this.#next++;
    return applied;
  }

  /**
   * Commits what was applied. @returns the uppermost snapshot; undefined for an image without layers.
   * @throws INTERNAL while layers are missing.
   */
  async finish(): Promise<SnapshotRecord | undefined> {
    if (this.next !== undefined) throw new CoracleError('INTERNAL', `unpack: layer ${this.next} is missing`);
    try {
      await this.#agent?.sync();
      await this.#sync.finish();
      const committed = this.#stores.snapshots.commitAll(this.#staged);
      this.#staged.length = 0;
      return committed.at(-1) ?? this.#committed;
    } finally {
      await this.abandon();
    }
  }

  /** Gives up what is not committed. */
  async abandon(): Promise<void> {
    await this.#agent?.close();
    this.#agent = undefined;
    await this.#sync.settle();
    const leftovers = this.#staged.splice(0).reverse();
    for (const { active } of leftovers) await this.#stores.snapshots.discard(active, this.#stores.removeTree);
    for (const lock of this.#locks.splice(0)) lock.release();
    this.#lease.release();
  }

  async #skipPresent(signal: AbortSignal | undefined): Promise<void> {
    this.#skip();
    const chainId = this.#chainIds[this.#next];
    if (chainId === undefined) return;
    const { paths, locks } = this.#stores;
    this.#locks.push(await waitForLock(join(paths.locks, `unpack-${digestHex(chainId)}`), locks, signal));
    const before = this.#next;
    this.#skip();
    if (this.#next === before) return;
    for (const lock of this.#locks.splice(0)) lock.release();
    await this.#skipPresent(signal);
  }

  #skip(): void {
    for (; ; this.#next++) {
      const chainId = this.#chainIds[this.#next];
      const record = chainId === undefined ? undefined : this.#stores.snapshots.byChainId(chainId);
      if (record === undefined) return;
      this.#committed = record;
    }
  }

  async #extract(active: ActiveSnapshot, source: ApplySource): Promise<AppliedLayer> {
    const agent = await this.#openAgent();
    const top = await openInStore(agent, this.#stores.paths, active.fs, { writable: true });
    const handle = await agent.stack([top, ...this.#handles], { writable: true });
    const { compression, reused } = source;
    const bytes = expandedBytes(source.bytes, { compression, reused, memory: agent.memory });
    const target = { agent, handle, idMap: this.#stores.idMap() };
    const { onProgress, compare, onForeign } = source;
    const applied = await applyBytes(bytes, target, {
      onProgress: (bytes) => {
        this.#sync.unpacked(bytes);
        onProgress?.(bytes);
      },
      ...present('compare', compare),
      ...present('onForeign', onForeign),
    });
    this.#sync.endLayer();
    await agent.release(handle);
    this.#handles.unshift(top);
    this.#warnings.push(...applied.warnings);
    return applied;
  }

  /** An agent of our own: a failed extraction must not surface in somebody else's operation. */
  async #openAgent(): Promise<Agent> {
    if (this.#agent !== undefined) return this.#agent;
    const { paths, snapshots } = this.#stores;
    this.#agent = await this.#stores.ownAgent(unpackingRingBytes);
    for (const path of this.#committed === undefined ? [] : snapshots.layerPaths(this.#committed)) {
      this.#handles.push(await openInStore(this.#agent, paths, path));
    }
    return this.#agent;
  }
}
