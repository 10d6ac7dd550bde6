/** Taking away what nothing uses: `container prune`, `system prune`. */
import { pruneCache } from '../build/prune.js';
import { volumesInUse } from '../container/all-containers.js';
import { collectLeftovers } from '../container/collect.js';
import { ContainerStore } from '../container/container-store.js';
import { removeContainer } from '../container/lifecycle.js';
import { readReservation } from '../container/names.js';
import { containerPlaces } from '../container/stores.js';
import { type ContainerView, isActive } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { sweep } from '../image/sweep.js';
import { diskBytes } from '../image/tree-bytes.js';
import { type EventType, writeEvent } from '../native/journal.js';
import { VolumeStore } from '../volume/volume-store.js';
import type { AllStores, Session } from './session.js';

/** What may go: all of it must fit. */
export type PruneFilter = {
  /** Made before this time, RFC 3339 in UTC. */
  readonly before?: string | undefined;
  /** `NAME` or `NAME=value`. */
  readonly labels?: readonly string[] | undefined;
  readonly withoutLabels?: readonly string[] | undefined;
};

export type Failure = { readonly name: string; readonly error: CoracleError };

/** What was taken away, and the bytes that this freed on the disk. */
export type Pruned = {
  readonly removed: readonly string[];
  readonly bytes: number;
  readonly failures: readonly Failure[];
};

export type SystemPruneRequest = {
  /** Every image that no container uses, also one with a name; and downloads that were broken off. */
  readonly all?: boolean | undefined;
  readonly volumes?: boolean | undefined;
  /** Working containers, and build cache that images keep as well. */
  readonly build?: boolean | undefined;
  readonly filter?: PruneFilter | undefined;
};

export type SystemPruned = {
  readonly containers: readonly string[];
  /** Ids of working containers. */
  readonly working: readonly string[];
  readonly images: readonly string[];
  readonly volumes: readonly string[];
  readonly networks: readonly string[];
  /** Parts of the build cache. */
  readonly cache: number;
  readonly bytes: number;
  readonly failures: readonly Failure[];
  /** Damaged records that keep unreferenced files from being freed. */
  readonly problems: readonly string[];
};

export type PruneImagesRequest = {
  /** Also images with a name. */
  readonly all?: boolean | undefined;
  readonly filter?: PruneFilter | undefined;
};

export type PruneImagesResult = Pruned & {
  /** Damaged records that keep unreferenced files from being freed. */
  readonly problems: readonly string[];
};

/** Removes containers that do not run. */
export async function pruneContainers(session: Session, filter: PruneFilter = {}): Promise<Pruned> {
  const stores = await session.allStores();
  await collectLeftovers(stores);
  const removed: string[] = [];
  const failures: Failure[] = [];
  let bytes = 0;
  const store = new ContainerStore(stores.paths);
  for (const view of store.list()) {
    // A pod goes as a whole, or not at all.
    if (view.record.options.pod?.kind === 'holder') continue;
    if (isActive(view) || isBeingStarted(stores, view) || !fits(view.record, filter)) continue;
    try {
      const size = await diskBytes(stores, containerPlaces(stores, view.record.id).files);
      await removeContainer(stores, view, { volumes: false });
      removed.push(view.record.id);
      bytes += size;
    } catch (error) {
      const failure = { name: view.record.name, error: expected(error) };
      const now = store.get(view.record.id);
      // What somebody has started meanwhile is none of those that do not run.
      if (now === undefined || !isActive(now)) failures.push(failure);
    }
  }
  writePrune(stores, 'container', bytes);
  return { removed, bytes, failures };
}

/** As docker tells of it. */
function writePrune({ paths }: AllStores, type: EventType, bytes: number): void {
  writeEvent(paths, type, 'prune', { attributes: { reclaimed: `${bytes}` } });
}

/** Removes all that no container uses. */
export async function pruneSystem(session: Session, request: SystemPruneRequest = {}): Promise<SystemPruned> {
  const { all = false, volumes = false, build = false, filter = {} } = request;
  const stores = await session.allStores();
  const before = await wholeStore(stores);
  const containers = await pruneContainers(session, filter);
  const working = build ? await pruneWorking(session, filter) : { removed: [], failures: [] };
  const images = pruneImages(stores, all, filter);
  const { pruneNetworks } = await import('./networks.js');
  const networks = await pruneNetworks(session, filter);
  const gone = volumes ? await pruneVolumes(stores, filter) : [];
  const partials = all && filter.before === undefined ? 'all' : 'old';
  const swept = await sweep(stores, { buildCache: 'keep', partials });
  // Labels are no matter of the build cache.
  const labelled = [...(filter.labels ?? []), ...(filter.withoutLabels ?? [])].length > 0;
  const unusedSince = filter.before === undefined ? undefined : Date.parse(filter.before);
  const cache = labelled ? undefined : await pruneCache(stores, { unusedSince, all: build });
  const bytes = Math.max(0, before - (await wholeStore(stores)));
  writePrune(stores, 'system', bytes);
  return {
    containers: containers.removed,
    working: working.removed,
    images: images.removed,
    volumes: gone,
    networks: networks.removed,
    cache: cache?.pruned.length ?? 0,
    bytes,
    failures: [...containers.failures, ...working.failures, ...images.failures],
    problems: cache?.problems ?? swept.problems,
  };
}

/** Working containers have no labels of their own: none fits one. */
async function pruneWorking(session: Session, filter: PruneFilter): Promise<Omit<Pruned, 'bytes'>> {
  const { list, remove } = await import('./working.js');
  const removed: string[] = [];
  const failures: Failure[] = [];
  for (const { id, name, created } of await list(session)) {
    if (!fits({ created, labels: {} }, filter)) continue;
    try {
      removed.push(await remove(session, id));
    } catch (error) {
      failures.push({ name, error: expected(error) });
    }
  }
  return { removed, failures };
}

/** Removes images that no container uses, and what they alone kept. */
export async function pruneImagesAlone(
  session: Session,
  request: PruneImagesRequest,
): Promise<PruneImagesResult> {
  const { all = false, filter = {} } = request;
  const stores = await session.allStores();
  const before = await wholeStore(stores);
  const { removed, failures } = pruneImages(stores, all, filter);
  const { problems } = await sweep(stores, { buildCache: 'keep' });
  const bytes = Math.max(0, before - (await wholeStore(stores)));
  writePrune(stores, 'image', bytes);
  return { removed, failures, problems, bytes };
}

function pruneImages(stores: AllStores, all: boolean, filter: PruneFilter): Omit<Pruned, 'bytes'> {
  const removed: string[] = [];
  const failures: Failure[] = [];
  for (const { id, references, created = '', labels, readonly } of stores.images.list()) {
    if (readonly === true) continue;
    if ((!all && references.length > 0) || !fits({ created, labels }, filter)) continue;
    const image = stores.images.find(id, { nearest: true });
    if (image !== undefined && stores.images.containersUsing(image.configDigest).length > 0) continue;
    try {
      for (const name of references.length > 0 ? references : [id]) stores.images.remove(name);
      removed.push(id);
    } catch (error) {
      // Another process may have removed it just now, or made a container of it.
      if (!['NOT_FOUND', 'IN_USE'].includes(expected(error).code))
        failures.push({ name: id, error: expected(error) });
    }
  }
  return { removed, failures };
}

async function pruneVolumes(stores: AllStores, filter: PruneFilter): Promise<readonly string[]> {
  const used = volumesInUse(stores.paths);
  const removed: string[] = [];
  const store = new VolumeStore(stores.paths);
  for (const { name, created, labels = {} } of store.list()) {
    if (used.has(name) || !fits({ created, labels }, filter)) continue;
    const trash = store.detach(name);
    if (trash !== undefined) await stores.removeTree(trash);
    removed.push(name);
  }
  return removed;
}

async function wholeStore(stores: AllStores): Promise<number> {
  return (await (await stores.openAgent()).usage(0, '.')).bytes;
}

/** Made by a `run` that has not started it yet. */
function isBeingStarted({ paths }: AllStores, { record, status }: ContainerView): boolean {
  return (
    status === 'created' &&
    record.awaitsStart !== true &&
    readReservation(paths, record.name)?.makerAlive === true
  );
}

/** Whether something may go. */
export function fits(
  { created, labels }: { readonly created: string; readonly labels: Readonly<Record<string, string>> },
  { before, labels: wanted = [], withoutLabels = [] }: PruneFilter,
): boolean {
  if (before !== undefined && !(Date.parse(created) < Date.parse(before))) return false;
  const has = (text: string): boolean => {
    const equals = text.indexOf('=');
    if (equals < 0) return Object.hasOwn(labels, text);
    return labels[text.slice(0, equals)] === text.slice(equals + 1);
  };
  return wanted.every(has) && !withoutLabels.some(has);
}

function expected(error: unknown): CoracleError {
  if (error instanceof CoracleError) return error;
  throw error;
}
