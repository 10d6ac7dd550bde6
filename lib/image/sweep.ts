/**
 * What the store still needs, counted from disk: tags, manifests, layers and their snapshots, containers, the
 * build cache. Nothing is ever counted while somebody holds a lease, so that work in progress is safe.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { sweepPartials } from '../content/partials.js';
import { CoracleError } from '../errors.js';
import { ensureReserve } from '../host/reserve.js';
import { sweepTemporaries } from '../host/temporaries.js';
import { emptyTrash } from '../host/trash.js';
import type { ChainId, DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { imageConfigLimit, parseImageConfig } from '../oci/image-config.js';
import { manifestLimit, parseManifest } from '../oci/manifest.js';
import { isImageConfig, isIndex, isManifest } from '../oci/media-types.js';
import type { SnapshotId } from '../snapshot/record.js';
import { cachedSnapshots, containerUses } from './container-use.js';
import type { IndexEntry } from './index-file.js';
import { forgetNotes } from './layer-notes.js';
import type { Stores } from './stores.js';

export type References = {
  readonly blobs: ReadonlySet<Digest>;
  readonly snapshots: ReadonlySet<SnapshotId>;
  /** Damaged records. What they refer to is unknown, so nothing may be taken away while there are any. */
  readonly problems: readonly string[];
};

export type SweepOptions = {
  /**
   * Whether snapshots that only the build cache would reuse stay. With `drop` their space is freed; the cache's
   * records then name snapshots that are gone, which the builder takes as misses.
   */
  readonly buildCache: 'keep' | 'drop';
  /** Milliseconds: what was made or renamed later stays. */
  readonly minimumAge?: number;
  /** Which unfinished downloads go: by default those nobody took up again for a week. */
  readonly partials?: 'old' | 'all' | undefined;
};

export type SweepResult = {
  readonly blobs: readonly Digest[];
  readonly snapshots: readonly SnapshotId[];
  /** Bytes of the blobs and of downloads given up; those of snapshots are not counted. */
  readonly bytes: number;
  /** Damaged records that keep the sweep from taking anything away; empty is the rule. */
  readonly problems: readonly string[];
  /** Nothing was done, because a pull, a build or another sweep is under way; the next one finds the same. */
  readonly busy: boolean;
};

/** What tags, containers and, if it is to be kept, the build cache refer to. */
export async function countReferences(stores: Stores, options: SweepOptions): Promise<References> {
  return count(stores, options, await loadChainIds());
}

/** What some entries of index.json refer to. */
export async function referencesOf(
  stores: Stores,
  entries: readonly Pick<IndexEntry, 'descriptor'>[],
): Promise<References> {
  const walk = new ReferenceWalk(stores, await loadChainIds());
  for (const { descriptor } of entries) walk.descriptor(descriptor);
  return walk;
}

/** Removes what nothing refers to. */
export async function sweep(stores: Stores, options: SweepOptions): Promise<SweepResult> {
  const chainIdsOf = await loadChainIds();
  let result: SweepResult = { ...nothing, busy: true };
  stores.staging.alone(() => {
    result = removeUnreferenced(stores, count(stores, options, chainIdsOf), options);
    sweepTemporaries(stores.paths, stores.locks, Date.now());
  });
  await emptyTrash(stores.paths, stores.removeTree);
  ensureReserve(stores.paths);
  return result;
}

type ChainIdsOf = (diffIds: readonly DiffId[]) => readonly ChainId[];

/** Hashing is loaded when something is swept, not with whatever may sweep. */
async function loadChainIds(): Promise<ChainIdsOf> {
  return (await import('./layer-chain-ids.js')).layerChainIds;
}

const nothing = { blobs: [], snapshots: [], bytes: 0, problems: [] } as const;

/** A download nobody took up again for this many milliseconds is given up. */
const partialAge = 7 * 24 * 3600 * 1000;

/** Blobs and snapshots of the store that `references` does not have and that are at least so old. */
export function unreferenced(
  { content, snapshots, paths }: Stores,
  references: References,
  minimumAge = 0,
): { readonly blobs: readonly Digest[]; readonly snapshots: readonly SnapshotId[] } {
  const now = Date.now();
  const isOld = (path: string): boolean => {
    if (minimumAge === 0) return true;
    const found = statSync(path, { throwIfNoEntry: false });
    return found !== undefined && now - found.ctimeMs >= minimumAge;
  };
  return {
    blobs: content.list().filter((digest) => !references.blobs.has(digest) && isOld(content.pathOf(digest))),
    snapshots: snapshots
      .ids()
      .filter((id) => !references.snapshots.has(id) && isOld(join(paths.snapshots, id))),
  };
}

function removeUnreferenced(
  stores: Stores,
  references: References,
  { minimumAge = 0, partials = 'old' }: SweepOptions,
): SweepResult {
  const { problems } = references;
  if (problems.length > 0) return { ...nothing, problems, busy: false };
  const { blobs, snapshots } = unreferenced(stores, references, minimumAge);
  let bytes = sweepPartials(stores.paths, partials === 'all' ? 0 : partialAge, Date.now());
  for (const id of snapshots) stores.snapshots.detach(id);
  for (const digest of blobs) {
    bytes += stores.content.size(digest) ?? 0;
    stores.content.remove(digest);
  }
  stores.snapshots.sweepLinks();
  forgetNotes(stores, references.blobs);
  return { blobs, snapshots, bytes, problems, busy: false };
}

function count(stores: Stores, options: SweepOptions, chainIdsOf: ChainIdsOf): References {
  const walk = new ReferenceWalk(stores, chainIdsOf);
  for (const { descriptor } of stores.images.entries()) walk.descriptor(descriptor);
  walk.guard(() => {
    for (const { snapshot } of containerUses(stores.paths)) walk.snapshot(snapshot);
  });
  if (options.buildCache === 'keep') for (const id of cachedSnapshots(stores.paths)) walk.snapshot(id);
  return walk;
}

class ReferenceWalk implements References {
  readonly blobs = new Set<Digest>();
  readonly snapshots = new Set<SnapshotId>();
  readonly problems: string[] = [];
  readonly #stores: Stores;
  readonly #chainIdsOf: ChainIdsOf;

  constructor(stores: Stores, chainIdsOf: ChainIdsOf) {
    this.#stores = stores;
    this.#chainIdsOf = chainIdsOf;
  }

  /** Notes a damaged record and goes on. */
  guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof CoracleError) || !['INVALID', 'UNSUPPORTED'].includes(error.code)) throw error;
      this.problems.push(error.message);
    }
  }

  /** A blob and what it refers to. What is not in the store has nothing to keep. */
  descriptor({ digest, mediaType }: Descriptor): void {
    if (this.blobs.has(digest)) return;
    this.blobs.add(digest);
    if (!this.#stores.content.has(digest)) return;
    this.guard(() => {
      if (isManifest(mediaType) || isIndex(mediaType)) this.#manifest(digest, mediaType);
      else if (isImageConfig(mediaType)) this.#config(digest);
    });
  }

  /** A snapshot and all it lies on. */
  snapshot(id: SnapshotId | undefined): void {
    if (id === undefined || this.snapshots.has(id)) return;
    this.snapshots.add(id);
    this.guard(() => {
      for (const lower of this.#stores.snapshots.get(id)?.lowers ?? []) this.snapshots.add(lower);
    });
  }

  #manifest(digest: Digest, mediaType: string): void {
    const bytes = this.#stores.content.readTrusted(digest, manifestLimit);
    const manifest = parseManifest(bytes, `manifest ${digest}`, mediaType);
    const children = manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers];
    for (const child of children) this.descriptor(child);
  }

  #config(digest: Digest): void {
    const bytes = this.#stores.content.readTrusted(digest, imageConfigLimit);
    const { rootfs } = parseImageConfig(bytes, `config ${digest}`);
    this.snapshot(this.#stores.snapshots.topOfImage(digest)?.id);
    for (const chainId of this.#chainIdsOf(rootfs.diff_ids)) {
      this.snapshot(this.#stores.snapshots.byChainId(chainId)?.id);
    }
  }
}
