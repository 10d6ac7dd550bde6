/**
 * Leftovers of processes that were killed: reservations without a container, directories without a record,
 * containers of `--rm` whose supervisor died, sockets of containers that are gone.
 */

import { closeSync, existsSync, openSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { namesIn } from '../host/files.js';
import { removeCgroup } from '../host/left-cgroup.js';
import type { StorePaths } from '../host/paths.js';
import { moveToTrash } from '../host/trash.js';
import { sharedVolumes, unmarkShared } from '../volume/shared-volumes.js';
import { VolumeStore } from '../volume/volume-store.js';
import { volumesInUse } from './all-containers.js';
import { claimContainer } from './claim.js';
import { writeContainerEvent } from './container-events.js';
import { ContainerStore } from './container-store.js';
import { listReservations, readReservation, releaseName } from './names.js';
import type { ContainerRecord } from './record.js';
import { hasContainerRecord, readLive } from './records.js';
import { removingMark } from './state.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import type { ContainerView } from './view.js';

type Records = ReturnType<ContainerStore['records']>;

/**
 * Takes every leftover out of the store; returns what of it lies in the trash, for `removeTree`. `records` are those of the
 * store as they were just now.
 */
export function detachLeftovers(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  records: Records = new ContainerStore(stores.paths).records(),
): readonly string[] {
  const trashed = [
    ...detachUnfinished(stores, records),
    ...detachEnded(stores, records),
    ...detachUnshared(stores.paths),
    ...detachFiles(stores.paths),
  ];
  removeDeadSockets(stores, records);
  return trashed;
}

/** Removes leftovers with their trees. */
export async function collectLeftovers(stores: ContainerStores): Promise<void> {
  for (const path of detachLeftovers(stores)) await stores.removeTree(path);
}

/** Removes a container with its files and anonymous volumes unless a supervisor has it or removed it. */
export async function removeUnheld(stores: ContainerStores, record: ContainerRecord): Promise<void> {
  const { directory } = containerPlaces(stores, record.id);
  if (!existsSync(directory)) return;
  for (const path of detachContainer(stores, record, { volumes: true }) ?? []) await stores.removeTree(path);
}

/** A directory is listed before the names are read: whoever makes one reserves its name first. */
function detachUnfinished({ paths }: Pick<ContainerStores, 'paths'>, records: Records): string[] {
  const unfinished = [...records].flatMap(([id, record]) => (record === undefined ? [id] : []));
  const reservations = listReservations(paths).filter(({ id }) => records.get(id) === undefined);
  const beingMade = new Set(reservations.filter(({ makerAlive }) => makerAlive).map(({ id }) => id));
  for (const { name, id, makerAlive } of reservations) {
    if (!makerAlive && !hasContainerRecord(join(paths.containers, id))) releaseName(paths, name, id);
  }
  return unfinished
    .filter((id) => !beingMade.has(id) && !hasContainerRecord(join(paths.containers, id)))
    .flatMap((id) => moveToTrash(paths, join(paths.containers, id)) ?? []);
}

/** Files of transient containers whose records went with a restart of the machine. A record's directory is made first. */
function detachFiles(paths: StorePaths): string[] {
  const { layers, containers } = paths;
  if (layers === undefined) return [];
  return namesIn(layers)
    .filter((id) => !existsSync(join(containers, id)))
    .flatMap((id) => moveToTrash(paths, join(layers, id)) ?? []);
}

/** Containers that were to vanish at their end. */
function detachEnded(stores: Pick<ContainerStores, 'paths' | 'runtime'>, records: Records): string[] {
  const store = new ContainerStore(stores.paths);
  return [...records.values()]
    .flatMap((record) => (record?.autoRemove === true ? (store.get(record.id) ?? []) : []))
    .filter((view) => isOver(stores.paths, view))
    .flatMap(({ record }) => detachContainer(stores, record, { volumes: true }) ?? []);
}

/** Volumes that several containers had and none has any more: the last one left it to us. */
function detachUnshared(paths: StorePaths): string[] {
  const names = sharedVolumes(paths);
  if (names.length === 0) return [];
  const used = volumesInUse(paths);
  return names
    .filter((name) => !used.has(name))
    .flatMap((name) => {
      const volumes = new VolumeStore(paths);
      const gone = volumes.get(name)?.anonymous === true ? volumes.detach(name) : undefined;
      unmarkShared(paths, name);
      return gone ?? [];
    });
}

/** Ended, or never started because its maker was killed. A client in the foreground has its maker's pid. */
function isOver(paths: StorePaths, { record, status }: ContainerView): boolean {
  if (status !== 'created') return status === 'exited' || status === 'dead';
  if (record.awaitsStart === true) return false;
  return readReservation(paths, record.name)?.makerAlive !== true;
}

/** Of a supervisor that was killed; where systemd made it, it is gone already. */
function removeLeftCgroup(directory: string): void {
  const cgroup = existsSync(`${directory}/live`) ? readLive(directory)?.cgroup : undefined;
  if (cgroup !== undefined) removeCgroup(cgroup);
}

/**
 * Takes a container out of the store; its trees lie in the trash. Undefined, and nothing is done, when a supervisor has
 * it or somebody else removes it.
 */
export function detachContainer(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  record: ContainerRecord,
  options: { readonly volumes: boolean },
): string[] | undefined {
  const claim = claimContainer(stores.paths, containerPlaces(stores, record.id).directory);
  if (claim === undefined) return undefined;
  try {
    return detachClaimed(stores, record, options);
  } finally {
    claim.release();
  }
}

/** The directory goes after all that only the record knows, so that a removal that was killed can be done again. */
function detachClaimed(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  record: ContainerRecord,
  options: { readonly volumes: boolean },
): string[] {
  const { paths } = stores;
  const places = containerPlaces(stores, record.id);
  removeLeftCgroup(places.directory);
  const volumes = new VolumeStore(paths);
  const shared = new Set(sharedVolumes(paths));
  const anonymous = options.volumes
    ? record.volumes.filter((volume) => volume.anonymous && !shared.has(volume.name))
    : [];
  markRemoving(places.directory);
  const detached = anonymous.map(({ name }) => volumes.detach(name));
  const files = places.files === places.directory ? undefined : moveToTrash(paths, places.files);
  const own = moveToTrash(paths, places.directory);
  if (own !== undefined) writeContainerEvent(paths, 'remove', record);
  const trashed = [...detached, files, own].filter((path) => path !== undefined);
  releaseName(paths, record.name, record.id);
  rmSync(places.socketDirectory, { recursive: true, force: true });
  return trashed;
}

/** Where something keeps the rest from going, what is left is no container that can be started. */
function markRemoving(directory: string): void {
  try {
    closeSync(openSync(join(directory, removingMark), 'a', 0o600));
  } catch (error) {
    // It may be gone already; and a full disk must not keep anybody from removing things.
    if (!hasErrno(error, 'ENOENT', 'ENOSPC', 'EDQUOT')) throw ioError(`remove ${directory}`, error);
  }
}

/** Socket directories whose container's directory is gone, of this store or another. */
function removeDeadSockets({ runtime }: Pick<ContainerStores, 'runtime'>, records: Records): void {
  const known = new Set([...records.keys()].map((id) => id.slice(0, 16)));
  for (const name of namesIn(join(runtime, 'c'))) {
    if (known.has(name)) continue;
    const directory = join(runtime, 'c', name);
    const container = readLink(join(directory, 'd'));
    if (container === undefined) removeUnlinked(directory);
    else if (!existsSync(container)) rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * The link is made before any socket: sockets without it are what a killed removal left. An empty directory may be
 * about to get its link, and whoever makes that makes the directory again.
 */
function removeUnlinked(directory: string): void {
  const names = namesIn(directory);
  if (names.includes('d')) return;
  if (names.length > 0) rmSync(directory, { recursive: true, force: true });
  else removeEmpty(directory);
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw ioError(`remove ${directory}`, error);
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EINVAL')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}
