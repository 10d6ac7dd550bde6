/**
 * Where things lie: the store's directories, and the user's runtime, cache and configuration places by the
 * XDG base directory specification (https://specifications.freedesktop.org/basedir-spec/latest/).
 */
import { lstatSync, mkdirSync } from 'node:fs';
import { isAbsolute, join, resolve } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';

/** Where parts of a store are that do not lie below its root. */
export type StorePlaces = {
  /** The root of the store that has the images: theirs and the root's own are two stores then. */
  readonly imageStore?: string | undefined;
  /** Stores and image layouts whose images can be used and are never written. */
  readonly additional?: readonly string[] | undefined;
  /** For containers' records, on a file system that a restart of the machine empties. */
  readonly transient?: { readonly directory: string; readonly name: string } | undefined;
};

/** A store, or any OCI image layout, that is only read. */
export type AdditionalPaths = Pick<
  StorePaths,
  'root' | 'index' | 'blobs' | 'snapshots' | 'chains' | 'imageTops'
>;

/** The rooms of one store. All absolute. */
export type StorePaths = {
  readonly root: string;
  /** The root again, or that of the image store: index, blobs, snapshots, build cache and unfinished work lie there. */
  readonly imageRoot: string;
  readonly imageTrash: string;
  /** Of what lies below `root` itself. */
  readonly ownLocks: string;
  readonly additional: readonly AdditionalPaths[];
  /** Where records of containers are transient, the directory that has them; their files are in `layers`, which stays. */
  readonly transient?: string;
  readonly layers?: string;
  /** Such files of all runtime directories. */
  readonly transientLayers: string;
  /** In an image store: links to the roots of the stores that use it. */
  readonly roots: string;
  /** The store's format number. */
  readonly version: string;
  readonly ociLayout: string;
  readonly index: string;
  /** What was found out of many images when they were listed; can be made again. */
  readonly knownImages: string;
  /** Below it one directory per digest algorithm. */
  readonly blobs: string;
  readonly snapshots: string;
  /** One link per chainID to the snapshot that holds it. */
  readonly chains: string;
  /** One link per image id to the snapshot of its uppermost layer. */
  readonly imageTops: string;
  readonly containers: string;
  /** Reserved container names, made with O_EXCL. */
  readonly names: string;
  /** Containers that an image is made in, step by step. */
  readonly working: string;
  readonly volumes: string;
  readonly networks: string;
  readonly secrets: string;
  readonly build: string;
  readonly staging: string;
  readonly trash: string;
  readonly locks: string;
  /** The journal of events. */
  readonly events: string;
  /** Space kept for the moment the disk is full. */
  readonly reserve: string;
  /** Made when somebody was killed over unfinished work; the next command that ends looks at the store. */
  readonly checkDue: string;
};

/** The rooms of the store at `root` (made absolute). Touches nothing. */
export function storePaths(root: string, places: StorePlaces = {}): StorePaths {
  const top = resolve(root);
  const images = resolve(places.imageStore ?? root);
  const at = (...parts: string[]): string => join(top, ...parts);
  const inImages = (...parts: string[]): string => join(images, ...parts);
  const others = (places.additional ?? []).map((path) => resolve(path));
  // What the root has of its own can be used as well.
  const additional = images === top ? others : [top, ...others];
  return {
    imageRoot: images,
    imageTrash: inImages('trash'),
    ownLocks: at('locks'),
    additional: [...new Set(additional)].filter((path) => path !== images).map(additionalPaths),
    roots: inImages('roots'),
    version: at('version'),
    ociLayout: inImages('oci-layout'),
    ...additionalPaths(images),
    root: top,
    ...transientRooms(top, places.transient),
    transientLayers: at('transient'),
    containers: join(places.transient?.directory ?? top, 'containers'),
    names: join(places.transient?.directory ?? top, 'containers', '.names'),
    working: inImages('working'),
    volumes: at('volumes'),
    networks: at('networks'),
    secrets: at('secrets'),
    knownImages: inImages('known-images'),
    build: inImages('build'),
    staging: inImages('staging'),
    trash: at('trash'),
    locks: inImages('locks'),
    events: at('events'),
    reserve: inImages('reserve'),
    checkDue: inImages('check-due'),
  };
}

function transientRooms(
  root: string,
  transient: StorePlaces['transient'],
): Pick<StorePaths, 'transient' | 'layers'> {
  if (transient === undefined) return {};
  return { transient: transient.directory, layers: join(root, 'transient', transient.name) };
}

function additionalPaths(root: string): AdditionalPaths {
  return {
    root,
    index: join(root, 'index.json'),
    blobs: join(root, 'blobs'),
    snapshots: join(root, 'snapshots'),
    chains: join(root, 'snapshots', 'chains'),
    imageTops: join(root, 'snapshots', 'images'),
  };
}

/** A process environment, handed in so that tests need not change their own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The store's place: CORACLE_ROOT, else `$XDG_DATA_HOME/coracle`, else `~/.local/share/coracle`. */
export function defaultRoot(env: Environment): string {
  if (env.CORACLE_ROOT) return resolve(env.CORACLE_ROOT);
  return join(baseDirectory(env, 'XDG_DATA_HOME', '.local/share'), 'coracle');
}

/** For what can be made again: compiled filters, probe results, the code cache. Not created here. */
export function cacheDirectory(env: Environment): string {
  return join(baseDirectory(env, 'XDG_CACHE_HOME', '.cache'), 'coracle');
}

/** The user's configuration file; it need not exist. */
export function configPath(env: Environment): string {
  return join(baseDirectory(env, 'XDG_CONFIG_HOME', '.config'), 'coracle', 'config.json');
}

/** The specification has relative values ignored. */
function baseDirectory(env: Environment, variable: string, below: string): string {
  const value = env[variable];
  if (value !== undefined && isAbsolute(value)) return value;
  const home = env.HOME;
  if (home !== undefined && isAbsolute(home)) return join(home, below);
  throw new CoracleError('HOST', `find ${variable}: HOME is ${home ? `relative: ${home}` : 'not set'}`, {
    hint: `set HOME or ${variable}${variable === 'XDG_DATA_HOME' ? ', or name the store with --root' : ''}`,
  });
}

/**
 * The private directory for sockets and pid records, made when missing. Sockets in it are reached by path, so
 * it must be a real directory, ours alone (S13); anything else there is refused, never repaired.
 * @throws HOST when somebody else's directory or link stands in its place.
 */
export function runtimeDirectory(env: Environment, uid: number): string {
  const base = env.XDG_RUNTIME_DIR;
  const usual = base && isAbsolute(base) ? join(base, 'coracle') : `/tmp/coracle-${uid}`;
  // Set by `unshare`, within which the uid is another.
  const path = env.CORACLE_RUNTIME && isAbsolute(env.CORACLE_RUNTIME) ? env.CORACLE_RUNTIME : usual;
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw ioError(`create runtime directory ${path}`, error);
  }
  const found = lstatSync(path);
  const fault = !found.isDirectory()
    ? 'it is not a directory'
    : found.uid !== uid
      ? `it belongs to uid ${found.uid}`
      : (found.mode & 0o077) !== 0
        ? `others may enter it (mode ${(found.mode & 0o777).toString(8)})`
        : undefined;
  if (fault === undefined) return path;
  throw new CoracleError('HOST', `use runtime directory ${path}: ${fault}`, {
    hint: 'remove it, or set XDG_RUNTIME_DIR to a directory only you can enter',
  });
}
