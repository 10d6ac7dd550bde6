/** Where `cp` reads or writes: a path of a container, running or not, or of this host, through a file agent of its own. */
import { lstatSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { openInStore } from '../image/stores.js';
import { type Agent, type Entry, type Handle, openAgent } from '../native/agent.js';
import { parseVolumeOptions } from '../volume/volume-options.js';
import type { ContainerStores } from './stores.js';
import { openTree } from './tree.js';
import { type ContainerView, isActive } from './view.js';
import { volumeOf } from './volume-uses.js';

/** One end of a copy. `contents`: the path ended in `/.`, `slash`: it ended in `/`. */
export type Place = {
  readonly agent: Agent;
  readonly handle: Handle;
  /** Relative to the handle's root; `.` is the root. */
  readonly path: string;
  readonly contents: boolean;
  readonly slash: boolean;
  /** For messages. */
  readonly shown: string;
  close(): Promise<void>;
};

/** The place as a path was written: what its end says. */
function ending(text: string): Pick<Place, 'contents' | 'slash'> {
  const contents = /(^|\/)\.\/?$/.test(text);
  return { contents, slash: contents || text.endsWith('/') };
}

/** A path of a container, absolute or relative to its root directory. */
export async function openContainerPlace(
  stores: ContainerStores,
  view: ContainerView,
  text: string,
): Promise<Place> {
  const tree = await openTree(stores, view, 'mounts');
  const path = posix.resolve('/', text).slice(1) || '.';
  const common = {
    agent: tree.agent,
    ...ending(text),
    shown: `${view.record.name}:${text}`,
    close: tree.close,
  };
  try {
    const place = isActive(tree.view)
      ? { handle: tree.handle, path }
      : await placeAtRest(stores, tree.view, tree, path);
    return { ...common, ...place };
  } catch (error) {
    await tree.close();
    throw error;
  }
}

/** Nothing is mounted in a container that does not run: volumes are found by their destinations, other mounts refused. */
async function placeAtRest(
  stores: ContainerStores,
  { record }: ContainerView,
  { agent, handle }: Pick<Place, 'agent' | 'handle'>,
  path: string,
): Promise<Pick<Place, 'handle' | 'path'>> {
  const real = `/${await realPath(agent, handle, path)}`;
  const inside = (destination: string): boolean => real === destination || real.startsWith(`${destination}/`);
  const other = (record.options.mounts ?? []).find(
    (mount) => mount.type !== 'volume' && inside(mount.destination),
  );
  if (other !== undefined) throw mounted(record, path, other.destination);
  const volume = record.volumes.find(({ destination }) => inside(destination));
  if (volume === undefined) return { handle, path };
  const { data, options } = volumeOf(stores.paths, volume);
  const isPlain = parseVolumeOptions(options).kind === 'directory';
  if (!isPlain || volume.subpath !== undefined || volume.overlay !== undefined) {
    throw mounted(record, path, volume.destination);
  }
  const opened = await openInStore(agent, stores.paths, data, { writable: !volume.readonly });
  return { handle: opened, path: real.slice(volume.destination.length + 1) || '.' };
}

function mounted({ name }: ContainerView['record'], path: string, destination: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `copy ${name}:/${path}: ${destination} is a mount`, {
    hint: `start the container first: coracle start ${name}`,
  });
}

/** The path with the links of all but its last component followed. */
async function realPath(agent: Agent, handle: Handle, path: string): Promise<string> {
  const parent = posix.dirname(path);
  if (parent === '.' || (await agent.stat(handle, parent, { follow: true })) === undefined) return path;
  const real = (await agent.resolve(handle, parent)).toString();
  return posix.join(real === '' ? '.' : real, posix.basename(path));
}

/** A path of this host. The agent sees the directory it is in, and no more. */
export function openHostPlace(
  stores: Pick<ContainerStores, 'idMap'>,
  text: string,
  writable: boolean,
): Place {
  const path = resolve(text);
  const isRoot = path === '/' || (ending(text).slash && isDirectory(path));
  const root = isRoot ? path : posix.dirname(path);
  requireDirectory(root, text);
  const agent = openAgent({ idMap: stores.idMap(), roots: [{ path: root, writable }] });
  return {
    agent,
    handle: 0,
    path: isRoot ? '.' : posix.basename(path),
    ...ending(text),
    shown: text,
    close: () => agent.close(),
  };
}

function isDirectory(path: string): boolean {
  try {
    return lstatSync(path).isDirectory();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw ioError(`copy ${path}`, error);
  }
}

function requireDirectory(path: string, text: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return;
  throw new CoracleError('NOT_FOUND', `copy ${text}: the directory ${path} does not exist`);
}

/** What is at a place; the last link is followed when asked. */
export function entryAt(place: Place, options: { readonly follow: boolean }): Promise<Entry | undefined> {
  return place.agent.stat(place.handle, place.path, options);
}
