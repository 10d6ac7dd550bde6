/** Records and what holds them together: containers, volumes, networks, names, links, locks. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { collectLeftovers, detachContainer } from '../container/collect.js';
import { ContainerStore } from '../container/container-store.js';
import { listReservations } from '../container/names.js';
import { hasContainerRecord } from '../container/records.js';
import { isRemoved } from '../container/removed.js';
import { isHeld } from '../container/state.js';
import { type ContainerStores, containerPlaces } from '../container/stores.js';
import type { ContainerView } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { passingLocks } from '../host/temporaries.js';
import { moveToTrash } from '../host/trash.js';
import { NetworkStore } from '../network/network-store.js';
import { VolumeStore } from '../volume/volume-store.js';
import { type CheckContext, type Detected, left, type Mended, repaired } from './finding.js';
import { readable } from './layer-files.js';

/** What containers' own functions need beside the store. */
export type RecordsContext = CheckContext & { readonly containers: ContainerStores };

/** Looks at every record that is no image's. */
export async function* checkRecords(context: RecordsContext): AsyncGenerator<Detected> {
  yield* checkContainers(context);
  yield* checkNamed(context, 'volume', context.stores.paths.volumes);
  yield* checkNamed(context, 'network', context.stores.paths.networks);
  yield* checkLinks(context);
  yield* checkLeftovers(context);
  yield* checkLocks(context);
}

function* checkContainers(context: RecordsContext): Generator<Detected> {
  const store = new ContainerStore(context.stores.paths);
  for (const id of store.ids()) {
    const view = viewOf(store, id);
    if (view === undefined) continue;
    context.tally.containers++;
    if (view instanceof CoracleError) yield unreadable(context, id, view);
    else yield* incomplete(context, view);
  }
}

function viewOf(store: ContainerStore, id: string): ContainerView | CoracleError | undefined {
  try {
    return store.get(id);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return error;
    throw error;
  }
}

function unreadable(context: RecordsContext, id: string, error: CoracleError): Detected {
  const name = nameOfContainer(context, id);
  return {
    kind: 'container-damaged',
    level: 'error',
    object: `container ${name}`,
    problem: error.message,
    meaning: 'no command can be used on it, and nothing that is unreferenced can be freed while it is there',
    repair: `with --force it is removed; its files are in ${join(context.stores.paths.containers, id, 'fs')}`,
    containers: [name],
    mend: () => removeBroken(context, id, name),
  };
}

function* incomplete(context: RecordsContext, view: ContainerView): Generator<Detected> {
  const { record, directory } = view;
  // With the lock somebody removes it now; without it, nobody will go on.
  if (view.status === 'dead') return isHeld(directory) ? undefined : yield halfRemoved(context, view);
  const reasons: string[] = [];
  const { snapshot } = record;
  if (snapshot !== undefined && readable(context.stores, snapshot) === undefined)
    reasons.push('the layers below it are gone');
  if (!existsSync(containerPlaces(context.containers, record.id).fs)) reasons.push('its own files are gone');
  const volumes = new VolumeStore(context.stores.paths);
  // Before its first start a container's volumes need not be there: that start makes them.
  for (const { name } of view.status === 'created' ? [] : record.volumes) {
    if (!existsSync(join(context.stores.paths.volumes, name)) && volumes.find(name) === undefined)
      reasons.push(`volume ${name} is gone`);
  }
  if (reasons.length === 0 || isRemoved(directory)) return;
  yield {
    kind: 'container-incomplete',
    level: 'error',
    object: `container ${record.name}`,
    problem: reasons.join(', '),
    meaning: 'it cannot be started',
    repair: 'with --force it is removed',
    containers: [record.name],
    mend: () => removeBroken(context, record.id, record.name),
  };
}

/** Whoever removed it was killed, or could not go on. */
function halfRemoved({ containers: stores }: RecordsContext, { record }: ContainerView): Detected {
  return {
    kind: 'leftover',
    level: 'notice',
    object: `container ${record.name}`,
    problem: 'its removal was broken off',
    meaning: 'it cannot be started, and takes room',
    repair: 'the rest of it is removed',
    containers: [record.name],
    mend: async () => {
      const trashed = detachContainer(stores, record, { volumes: false });
      if (trashed === undefined) return left('somebody else removes it');
      for (const path of trashed) await stores.removeTree(path);
      return repaired('removed');
    },
  };
}

async function removeBroken(context: RecordsContext, id: string, name: string): Promise<Mended> {
  const { stores, settings } = context;
  const directory = join(stores.paths.containers, id);
  if (isHeld(directory)) return left('it runs');
  if (!settings.force) return left(`what it wrote may be wanted: coracle rm ${name}, or --force`);
  const trash = moveToTrash(stores.paths, directory);
  if (trash !== undefined) await stores.removeTree(trash);
  await collectLeftovers(context.containers);
  return repaired('removed');
}

function nameOfContainer({ stores }: RecordsContext, id: string): string {
  return listReservations(stores.paths).find((one) => one.id === id)?.name ?? id.slice(0, 12);
}

/** Things with a directory each, in which lies a record. */
function* checkNamed(
  context: RecordsContext,
  what: 'volume' | 'network',
  directory: string,
): Generator<Detected> {
  const { paths, locks } = context.stores;
  const store = what === 'volume' ? new VolumeStore(paths) : new NetworkStore({ paths, locks });
  for (const name of namesIn(directory)) {
    try {
      store.get(name);
    } catch (error) {
      if (!(error instanceof CoracleError) || error.code !== 'INVALID') throw error;
      yield {
        kind: 'record-damaged',
        level: 'error',
        object: `${what} ${name}`,
        problem: error.message,
        meaning: `it cannot be used, and every command that lists ${what}s fails`,
        repair: `nothing: save what you need of ${join(directory, name)} and remove that directory`,
      };
    }
  }
}

function* checkLinks({ stores }: RecordsContext): Generator<Detected> {
  const links = [...stores.snapshots.chains.dangling(), ...stores.snapshots.imageTops.dangling()];
  if (links.length === 0) return;
  yield {
    kind: 'link-dangling',
    level: 'notice',
    object: `${links.length} links in snapshots`,
    problem: 'they name layers that are gone',
    meaning: 'what they stand for is unpacked again when it is needed',
    repair: 'they are removed',
    mend: async () => {
      for (const path of links) rmSync(path, { force: true });
      return repaired('removed');
    },
  };
}

function* checkLeftovers({ stores, containers }: RecordsContext): Generator<Detected> {
  const { paths } = stores;
  const reservations = listReservations(paths);
  const beingMade = new Set(reservations.filter(({ makerAlive }) => makerAlive).map(({ id }) => id));
  const gone = (id: string): boolean => !beingMade.has(id) && !hasContainerRecord(join(paths.containers, id));
  const names = reservations.filter(({ id }) => gone(id)).map(({ name }) => `name ${name}`);
  const ids = new ContainerStore(paths).ids().filter(gone);
  const all = [...names, ...ids.map((id) => `directory ${id.slice(0, 12)}`)];
  if (all.length === 0) return;
  yield {
    kind: 'leftover',
    level: 'notice',
    object: all.join(', '),
    problem: 'whoever made it was killed before it was a container',
    meaning: 'it takes room; the name is given to whoever asks for it',
    repair: 'it is removed',
    mend: async () => {
      await collectLeftovers(containers);
      return repaired('removed');
    },
  };
}

/** Files of locks on passing things; the kernel let go of the locks themselves. */
function* checkLocks({ stores }: RecordsContext): Generator<Detected> {
  const stale = passingLocks(stores.paths).filter((path) => {
    const lock = stores.locks.holdLock(path);
    lock?.release();
    return lock !== undefined;
  });
  if (stale.length === 0) return;
  yield {
    kind: 'lock-stale',
    level: 'notice',
    object: `${stale.length} files of locks`,
    problem: 'their holders were killed',
    meaning: 'nothing waits for them',
    repair: 'they are removed',
    mend: async () => {
      for (const path of stale) stores.locks.holdLock(path, { temporary: true })?.release();
      return repaired('removed');
    },
  };
}

function namesIn(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory).filter((name) => !name.startsWith('.')) : [];
}
