/** `system reset`: ends all containers of a store and removes everything in it, whoever owns the files. */
import { readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ContainerStore } from '../container/container-store.js';
import { readLive } from '../container/records.js';
import { isHeld } from '../container/state.js';
import { containerPlaces } from '../container/stores.js';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { type StorePaths, storePaths } from '../host/paths.js';
import { isAlive } from '../host/process.js';
import { foreignNames, isStore } from '../host/store-version.js';
import { SupervisorLink } from '../native/control.js';
import { crc32 } from '../native/plan.js';
import type { AllStores, Session } from './session.js';

export type ResetResult = {
  readonly root: string;
  /** Ids of containers that were there; those that ran were killed. */
  readonly containers: readonly string[];
  /** What lies in the directory and is none of ours: it stays, and the directory with it. */
  readonly kept: readonly string[];
};

/**
 * Removes a store. Killed half-way it can be done again.
 * @throws NOT_FOUND where there is none, INVALID for a directory that is something else, IN_USE while other commands
 *   work on it.
 */
export async function resetStore(session: Session): Promise<ResetResult> {
  const paths = storePaths(session.root);
  checkRoot(paths);
  const stores = await session.allStores();
  const containers = new ContainerStore(paths).ids();
  for (const id of containers) await endContainer({ ...stores, paths }, id);
  if (stores.paths.transient !== undefined) {
    for (const id of new ContainerStore(stores.paths).ids()) await endContainer(stores, id);
    rmSync(stores.paths.transient, { recursive: true, force: true });
  }
  const alone = stores.staging.holdAlone();
  if (alone === undefined) {
    throw new CoracleError('IN_USE', `reset store ${paths.root}: another command works on it`, {
      hint: 'wait for the build, pull or other work to end, or end it',
    });
  }
  let kept: readonly string[] | undefined;
  try {
    await removeRooms(stores, paths);
    kept = removeRoot(paths);
  } catch (error) {
    // FUSE and NFS keep an open file under another name: the lock that is held here.
    if (!hasErrno(error, 'ENOTEMPTY')) throw error;
  } finally {
    alone.release();
  }
  return { root: paths.root, containers, kept: kept ?? removeRoot(paths) };
}

/** Before anything is opened: to open a store that is not there makes one. */
function checkRoot(paths: StorePaths): void {
  if (isStore(paths)) return;
  if (readNames(paths.root) === undefined) {
    throw new CoracleError('NOT_FOUND', `reset store ${paths.root}: there is none`);
  }
  throw new CoracleError('INVALID', `reset store ${paths.root}: it is no store of coracle`, {
    hint: 'nothing was removed; name the store with --root, and mend a damaged one first: coracle system check --repair',
  });
}

/** By its directory alone: a damaged record must not keep it. */
async function endContainer(stores: AllStores, id: string): Promise<void> {
  const { directory, socket, socketDirectory } = containerPlaces(stores, id);
  if (isHeld(directory)) {
    const link = await SupervisorLink.open(socket, id.slice(0, 12));
    if (link === undefined) killSupervisor(directory, id);
    else {
      try {
        await link.stop(9, 0);
      } catch (error) {
        if (!(error instanceof CoracleError && error.code === 'CONFLICT')) throw error;
      }
      await link.ended();
      link.close();
    }
    await waitUntilFree(directory, id);
  }
  rmSync(socketDirectory, { recursive: true, force: true });
}

/** With a supervisor dies all that it started. */
function killSupervisor(directory: string, id: string): void {
  const live = readLive(directory);
  if (live === undefined || !isAlive(live.supervisor, live.supervisorStart)) {
    throw new CoracleError('IO', `end container ${id.slice(0, 12)}: its supervisor cannot be reached`, {
      hint: 'try again in a moment',
    });
  }
  process.kill(live.supervisor, 'SIGKILL');
}

async function waitUntilFree(directory: string, id: string): Promise<void> {
  for (let attempt = 0; isHeld(directory); attempt++) {
    if (attempt === 400) throw new CoracleError('IO', `end container ${id.slice(0, 12)}: it does not end`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** The format number and the layout's marker go last: what still has them is a store, and can be reset. */
async function removeRooms(stores: AllStores, paths: StorePaths): Promise<void> {
  const { runtime } = stores;
  const last = [paths.locks, paths.trash, paths.ociLayout, paths.version].map((path) => basename(path));
  const rooms = (readNames(paths.root) ?? []).filter((name) => !foreignNames(paths, [name]).includes(name));
  for (const name of [paths.index, paths.names].map((path) => basename(path))) {
    if (rooms.includes(name)) await stores.removeTree(join(paths.root, name));
  }
  for (const name of rooms.filter((one) => !last.includes(one)))
    await stores.removeTree(join(paths.root, name));
  const networks = crc32(Buffer.from(paths.root)).toString(16).padStart(8, '0');
  rmSync(join(runtime, 'n', networks), { recursive: true, force: true });
  await stores.removeTree(paths.trash);
}

/** With the last files goes the directory, unless something lies in it that is none of ours. */
function removeRoot(paths: StorePaths): readonly string[] {
  for (const path of [paths.locks, paths.version, paths.ociLayout])
    rmSync(path, { recursive: true, force: true });
  const kept = readNames(paths.root) ?? [];
  if (kept.length > 0) return kept;
  try {
    rmdirSync(realpathSync(paths.root));
  } catch (error) {
    // A mount point stays, as does a directory in one that is not ours.
    if (!hasErrno(error, 'EBUSY', 'EACCES', 'EPERM', 'ENOENT', 'ENOTEMPTY'))
      throw ioError(`remove ${paths.root}`, error);
  }
  return [];
}

function readNames(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    if (hasErrno(error, 'ENOTDIR')) return [];
    throw ioError(`read ${directory}`, error);
  }
}
