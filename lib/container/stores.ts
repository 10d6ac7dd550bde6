/** The parts of an open store that containers work with. */
import { cacheDirectory, type Environment } from '../host/paths.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import type { StorageDriver } from '../snapshot/driver.js';
import type { SnapshotRecord } from '../snapshot/record.js';

/** What the caller adds to the store's parts. */
export type ContainerSurroundings = {
  readonly env: Environment;
  /** The driver asked for or the best that works. @throws HOST when the one asked for does not work here. */
  driver(forced?: string): StorageDriver;
  /** Unpacks an image whose layers are not all there; undefined for an image without layers. */
  unpack(image: ImageRecord): Promise<SnapshotRecord | undefined>;
};

export type ContainerStores = Pick<
  Stores,
  'paths' | 'locks' | 'runtime' | 'idMap' | 'openAgent' | 'ownAgent' | 'removeTree' | 'staging'
> &
  ContainerSurroundings & {
    readonly snapshots: Pick<Stores['snapshots'], 'get' | 'topOfImage' | 'layerPaths'>;
    /** For compiled filters. */
    readonly cache: string;
  };

/** A store as the functions of this folder take it. */
export function containerStores(stores: Stores, surroundings: ContainerSurroundings): ContainerStores {
  return { ...stores, ...surroundings, cache: cacheDirectory(surroundings.env) };
}

/** Where the things of one container are. */
export type ContainerPlaces = {
  readonly directory: string;
  /** The same, unless the record is transient: what is large lies here. */
  readonly files: string;
  /** Writable layer, or the whole tree with the copy driver. */
  readonly fs: string;
  readonly work: string;
  readonly log: string;
  /** Directory of the attach socket; a link `d` in it leads to `directory`. */
  readonly socketDirectory: string;
  readonly socket: string;
};

/** Pure. Socket paths are short: a socket's address has room for 108 bytes. */
export function containerPlaces(
  stores: Pick<ContainerStores, 'paths' | 'runtime'>,
  id: string,
): ContainerPlaces {
  const directory = `${stores.paths.containers}/${id}`;
  const files = stores.paths.layers === undefined ? directory : `${stores.paths.layers}/${id}`;
  const socketDirectory = `${stores.runtime}/c/${id.slice(0, 16)}`;
  return {
    directory,
    files,
    fs: `${files}/fs`,
    work: `${files}/work`,
    log: `${files}/log`,
    socketDirectory,
    socket: `${socketDirectory}/s`,
  };
}
