/**
 * File-system states with parents.
 *
 * An *active* snapshot is a directory in staging that is still written to; *commit* gives it its place by a
 * rename, and from then on it never changes. A committed snapshot is one layer, in the kernel overlay's
 * userxattr form whatever the driver; its record names the whole stack it lies on.
 * A RUN step: `prepare(parent)`, mount it, run, `commit`. A pulled layer: `prepare(parent)`, extract into `fs`,
 * `commit` with its chainID. A failed one: `discard`.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { fsyncDirectory, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import type { StagingArea } from '../host/staging.js';
import { moveToTrash, type RemoveTree } from '../host/trash.js';
import type { ChainId } from '../oci/chain-id.js';
import type { Digest } from '../oci/digest.js';
import { SnapshotLinks } from './links.js';
import {
  checkLayerCount,
  isSnapshotId,
  type LayerFacts,
  layerLimit,
  newSnapshotId,
  newSnapshotRecord,
  parseSnapshotRecord,
  type SnapshotId,
  type SnapshotRecord,
} from './record.js';
import { SharedLayers } from './shared-layers.js';
import { dropWork } from './work-directory.js';

/** A snapshot being written. Its directories are on the store's file system. */
export type ActiveSnapshot = {
  /** The id it will have. */
  readonly id: SnapshotId;
  /** Holds `fs` and `work` and nothing else. */
  readonly directory: string;
  /** The layer's content; becomes the snapshot. */
  readonly fs: string;
  /** For the overlay mount; thrown away at commit. */
  readonly work: string;
  readonly parent?: SnapshotRecord;
  /** What its record will say. */
  readonly lowers: readonly SnapshotId[];
};

/** An active snapshot and what its record shall say. */
export type CommittedLayer = { readonly active: ActiveSnapshot; readonly facts: LayerFacts };

/** Waits until everything written to the file system of `path` is on the disk. */
export type SyncFileSystem = (path: string) => void;

const recordName = 'record.json';

export class SnapshotStore {
  readonly #paths: StorePaths;
  readonly #staging: StagingArea;
  readonly #sync: SyncFileSystem;
  readonly #shared: SharedLayers;
  /** By chainID. */
  readonly chains: SnapshotLinks;
  /** The uppermost layers of images, by their config's digest. */
  readonly imageTops: SnapshotLinks;

  constructor(paths: StorePaths, staging: StagingArea, sync: SyncFileSystem) {
    this.#paths = paths;
    this.#staging = staging;
    this.#sync = sync;
    const exists = (id: SnapshotId): boolean =>
      existsSync(join(paths.snapshots, id, recordName)) || this.#shared.directoryOf(id) !== undefined;
    this.chains = new SnapshotLinks(paths.chains, exists);
    this.imageTops = new SnapshotLinks(paths.imageTops, exists);
    this.#shared = new SharedLayers(paths.additional);
  }

  /**
   * The record of a committed snapshot, undefined when there is none.
   * @throws INVALID when the record is damaged.
   */
  get(id: SnapshotId): SnapshotRecord | undefined {
    const path = join(this.#paths.snapshots, id, recordName);
    const value = readJson(path, 1024 * 1024) ?? this.#shared.readRecord(id);
    if (value === undefined) return undefined;
    const record = parseSnapshotRecord(value, path);
    if (record.id === id) return record;
    throw new CoracleError('INVALID', `open snapshot ${id}: its record speaks of ${record.id}`);
  }

  /** The snapshot that holds the layers of a chainID. */
  byChainId(chainId: ChainId): SnapshotRecord | undefined {
    return this.#find(this.chains.read(chainId)) ?? this.#find(this.#shared.chain(chainId));
  }

  /** The uppermost layer's snapshot of an image, by its config's digest; undefined when it was never unpacked. */
  topOfImage(config: Digest): SnapshotRecord | undefined {
    return this.#find(this.imageTops.read(config)) ?? this.#find(this.#shared.imageTop(config));
  }

  /** Remembers the uppermost snapshot of an image. */
  setTopOfImage(config: Digest, id: SnapshotId): void {
    this.imageTops.replace(config, id);
  }

  /** The layer directories of a snapshot's stack, absolute, topmost first. */
  layerPaths(record: SnapshotRecord): readonly string[] {
    return record.lowers.map((id) => this.layerPath(id));
  }

  /** The directory of one committed layer. */
  layerPath(id: SnapshotId): string {
    const own = join(this.#paths.snapshots, id);
    const isShared = this.#paths.additional.length > 0 && !existsSync(own);
    return join((isShared ? this.#shared.directoryOf(id) : undefined) ?? own, 'fs');
  }

  /**
   * The permission bits a new writable layer's own directory needs: an overlay's root shows those of its
   * uppermost layer, and some distributions ship `/` as 0555.
   */
  rootMode(parent?: SnapshotRecord | ActiveSnapshot): number {
    if (parent === undefined) return 0o755;
    return statSync('version' in parent ? this.layerPath(parent.id) : parent.fs).mode & 0o7777;
  }

  /**
   * A new active snapshot above `parent`, itself committed or still active (then both are committed by one
   * `commitAll`). Hold a staging lease until it is committed and referred to.
   */
  prepare(parent?: SnapshotRecord | ActiveSnapshot): ActiveSnapshot {
    checkLayerCount((parent?.lowers.length ?? 0) + 1, layerLimit);
    const directory = this.#staging.open().directory('snapshot');
    const fs = join(directory, 'fs');
    const work = join(directory, 'work');
    const id = newSnapshotId();
    try {
      mkdirSync(fs);
      chmodSync(fs, this.rootMode(parent));
      mkdirSync(work, { mode: 0o700 });
    } catch (error) {
      throw ioError(`prepare snapshot in ${directory}`, error);
    }
    const record = parent !== undefined && 'version' in parent ? { parent } : {};
    return { id, directory, fs, work, ...record, lowers: [id, ...(parent?.lowers ?? [])] };
  }

  /**
   * Makes an active snapshot permanent: synced, then renamed. When another process committed the same chainID
   * first, its record is returned and ours goes to the trash.
   */
  commit(active: ActiveSnapshot, facts: LayerFacts = {}): SnapshotRecord {
    const [record] = this.commitAll([{ active, facts }]);
    if (record === undefined) throw new CoracleError('INTERNAL', `commit snapshot ${active.id}: no record`);
    return record;
  }

  /**
   * Commits active snapshots prepared one above the other, lowest first, with one sync for all. A process
   * killed in between leaves the lower ones.
   */
  commitAll(layers: readonly CommittedLayer[]): readonly SnapshotRecord[] {
    const [first] = layers;
    if (first === undefined) return [];
    try {
      this.#sync(first.active.directory);
      const records = new Map<SnapshotId, SnapshotRecord>();
      for (const layer of layers) records.set(layer.active.id, this.#publish(layer, records));
      fsyncDirectory(this.#paths.snapshots);
      fsyncDirectory(this.#paths.chains);
      return [...records.values()];
    } catch (error) {
      throw ioError(`commit snapshot ${first.active.id}`, error);
    }
  }

  /** Adds what was measured to a snapshot's record, and makes it known under its chainID. */
  describe(id: SnapshotId, facts: LayerFacts): SnapshotRecord {
    const record = this.get(id);
    if (record === undefined) throw missingSnapshot(id);
    const described = { ...record, ...facts };
    this.#write(join(this.#paths.snapshots, id), described);
    if (described.chainId !== undefined) this.chains.claim(described.chainId, id);
    return described;
  }

  /** Gives up an active snapshot. */
  async discard(active: ActiveSnapshot, remove: RemoveTree): Promise<void> {
    const path = moveToTrash(this.#paths, active.directory);
    if (path !== undefined) await remove(path);
  }

  /**
   * Puts an active snapshot in the place of a committed one whose files or record are damaged, under that one's id. Returns
   * what lay there, in the trash. A running container goes on with the files it has mounted: stop it first.
   */
  replace(id: SnapshotId, active: ActiveSnapshot, facts: LayerFacts): readonly string[] {
    const record = newSnapshotRecord([id, ...active.lowers.slice(1)], facts);
    dropWork(this.#paths, active.work);
    this.#write(active.directory, record);
    this.#sync(active.directory);
    const path = join(this.#paths.snapshots, id);
    try {
      const trash = moveToTrash(this.#paths, path);
      renameSync(active.directory, path);
      fsyncDirectory(this.#paths.snapshots);
      if (facts.chainId !== undefined) this.chains.claim(facts.chainId, id);
      return trash === undefined ? [] : [trash];
    } catch (error) {
      throw ioError(`replace snapshot ${id}`, error);
    }
  }

  /** The ids of all committed snapshots, also of those whose record is damaged. */
  ids(): readonly SnapshotId[] {
    const { snapshots } = this.#paths;
    try {
      return readdirSync(snapshots).filter(isSnapshotId);
    } catch (error) {
      throw ioError(`read ${snapshots}`, error);
    }
  }

  /** All records. @throws INVALID when one is damaged. */
  list(): readonly SnapshotRecord[] {
    return this.ids()
      .map((id) => this.get(id))
      .filter((record) => record !== undefined);
  }

  /** Takes a snapshot out of the store at once; its files go to the trash. Returns where they lie. */
  detach(id: SnapshotId): string | undefined {
    const chainId = this.#chainOf(id);
    if (chainId !== undefined) this.chains.drop(chainId, id);
    return moveToTrash(this.#paths, join(this.#paths.snapshots, id));
  }

  /** Removes a snapshot and its files. The caller knows that nothing needs it. */
  async remove(id: SnapshotId, remove: RemoveTree): Promise<void> {
    const path = this.detach(id);
    if (path !== undefined) await remove(path);
  }

  /** Forgets links to snapshots that are gone. */
  sweepLinks(): void {
    this.chains.sweep();
    this.imageTops.sweep();
  }

  #publish(
    { active, facts }: CommittedLayer,
    batch: ReadonlyMap<SnapshotId, SnapshotRecord>,
  ): SnapshotRecord {
    const first = facts.chainId === undefined ? undefined : this.byChainId(facts.chainId);
    if (first !== undefined) return this.#yieldTo(first, active.directory);
    // A parent committed in the same batch may have given way to another's snapshot: its record has the true stack.
    const [, below] = active.lowers;
    const parent = below === undefined ? undefined : batch.get(below);
    const record = newSnapshotRecord([active.id, ...(parent?.lowers ?? active.lowers.slice(1))], facts);
    dropWork(this.#paths, active.work);
    this.#write(active.directory, record);
    const path = join(this.#paths.snapshots, active.id);
    renameSync(active.directory, path);
    const owner = facts.chainId === undefined ? active.id : this.chains.claim(facts.chainId, active.id);
    const other = owner === active.id ? undefined : this.get(owner);
    return other === undefined ? record : this.#yieldTo(other, path);
  }

  #yieldTo(winner: SnapshotRecord, loser: string): SnapshotRecord {
    moveToTrash(this.#paths, loser);
    return winner;
  }

  #write(directory: string, record: SnapshotRecord): void {
    writeFileAtomic(join(directory, recordName), `${JSON.stringify(record)}\n`, { durable: true });
  }

  #chainOf(id: SnapshotId): ChainId | undefined {
    try {
      return this.get(id)?.chainId;
    } catch (error) {
      if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
      throw error;
    }
  }

  #find(id: SnapshotId | undefined): SnapshotRecord | undefined {
    return id === undefined ? undefined : this.get(id);
  }
}

/** The error for a snapshot that is not in the store. */
export function missingSnapshot(id: SnapshotId): CoracleError {
  return new CoracleError('NOT_FOUND', `open snapshot ${id}: not in the store`, {
    hint: 'remove the image or container that needs it and make it again',
  });
}
