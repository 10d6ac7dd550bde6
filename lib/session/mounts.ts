/** `mount`, `umount` and `unshare`: files of containers for programs of this host. */
import { existsSync } from 'node:fs';
import { ContainerStore } from '../container/container-store.js';
import { isMountedHere, mountContainer, mountPlaces, unmountContainer } from '../container/mount.js';
import { CoracleError } from '../errors.js';
import { findProgram } from '../host/id-map.js';
import { mountState } from '../image/mount-point.js';
import { becomeProgram, becomeUnshared, mayMount } from '../native/namespace.js';
import { mountWorking, placesOf, unmountWorking } from '../working/mount.js';
import { open } from './containers.js';
import type { Session } from './session.js';
import { holding, list as listWorking } from './working.js';

/** A container that is mounted. */
export type MountedContainer = { readonly id: string; readonly name: string; readonly path: string };

/** Mounts a container that does not run; resolves with the mount point. @throws HOST outside of `unshare`, CONFLICT */
export async function mount(session: Session, name: string): Promise<string> {
  const { stores, view } = await open(session, name);
  return mountContainer(stores, view);
}

/** False when it was not mounted. */
export async function unmount(session: Session, name: string): Promise<boolean> {
  const { stores, view } = await open(session, name);
  return unmountContainer(stores, view);
}

/** The same for a working container. */
export async function mountOfWorking(session: Session, name: string): Promise<string> {
  const stores = await session.allStores();
  return holding(stores, name, (record) => mountWorking(stores, record));
}

export async function unmountOfWorking(session: Session, name: string): Promise<boolean> {
  const stores = await session.allStores();
  return holding(stores, name, (record) => unmountWorking(stores, record));
}

/** The working containers that are mounted here. */
export async function mountedWorking(session: Session): Promise<readonly MountedContainer[]> {
  const stores = await session.allStores();
  return (await listWorking(session)).flatMap((record) => {
    const places = placesOf(stores, record);
    return mountState(places) === 'here' ? [{ id: record.id, name: record.name, path: places.point }] : [];
  });
}

/** The containers that are mounted here. */
export async function mountedContainers(session: Session): Promise<readonly MountedContainer[]> {
  const stores = await session.allStores();
  return new ContainerStore(stores.paths).list().flatMap(({ record }) => {
    if (!isMountedHere(stores, record)) return [];
    return [{ id: record.id, name: record.name, path: mountPlaces(stores, record).point }];
  });
}

/**
 * Becomes a program in a user and mount namespace of its own, as root of it; in such a one already, it stays there. Never
 * resolves. @throws HOST; NOT_FOUND with exit code 127
 */
export async function unshare(session: Session, args: readonly string[]): Promise<never> {
  const [name = '', ...rest] = args;
  const program = name.includes('/') ? name : findProgram(name, session.env);
  if (program === undefined || !existsSync(program))
    throw new CoracleError('NOT_FOUND', `execute ${name}: no such program`, { exitCode: 127 });
  const { idMap, runtime } = await session.stores();
  const map = idMap();
  await session.close();
  // Inside, the uid is 0: what goes by the uid's number has to be found again.
  const env = { ...session.env, CORACLE_RUNTIME: runtime };
  return mayMount() ? becomeProgram([program, ...rest], env) : becomeUnshared(map, [program, ...rest], env);
}
