/** Opening a store's root: made when missing, refused when it is another's, another thing, or from the future. */
import { chmodSync, readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, readBytes, writeFileAtomic } from './files.js';
import type { StorePaths } from './paths.js';
import { ensureReserve } from './reserve.js';

/** The format this version writes. */
export const storeVersion = 1;

/** What `oci-layout` holds. */
export const layoutMarker = '{"imageLayoutVersion":"1.0.0"}';

/**
 * Makes the store usable: directories, the image layout's marker, the format number. The number is written
 * last, so a root that has it has everything.
 * @throws CONFLICT for a store of a newer version, INVALID for a directory that is something else, HOST when
 *   others could reach into it, NO_SPACE on a full disk.
 */
export function openStoreRoot(paths: StorePaths): void {
  const found = readBytes(paths.version, 64);
  if (found === undefined) {
    createStore(paths);
    return;
  }
  const version = Number(found.toString('latin1').trim());
  if (version === storeVersion) {
    checkOwner(paths, statRoot(paths.root));
    return;
  }
  if (Number.isSafeInteger(version) && version > storeVersion) {
    throw new CoracleError(
      'CONFLICT',
      `open store ${paths.root}: format ${version} is newer than ${storeVersion}`,
      {
        hint: 'use the version of coracle that made it, or another store with --root',
      },
    );
  }
  throw new CoracleError('INVALID', `open store ${paths.root}: ${paths.version} holds no format number`, {
    hint: 'is this directory a coracle store? name another one with --root',
  });
}

function createStore(paths: StorePaths): void {
  ensureDirectory(paths.root);
  if (checkContent(paths) === 0) makePrivate(paths.root);
  checkOwner(paths, statRoot(paths.root));
  const { blobs, snapshots, chains, imageTops, containers, names, volumes } = paths;
  const { networks, secrets, build, staging, trash, locks } = paths;
  const directories = [blobs, `${blobs}/sha256`, snapshots, chains, imageTops, containers, names, volumes];
  for (const path of [...directories, networks, secrets, build, staging, trash, locks]) {
    ensureDirectory(path, path.startsWith(blobs) ? 0o755 : 0o700);
  }
  ensureReserve(paths);
  writeFileAtomic(paths.ociLayout, layoutMarker, { durable: true, mode: 0o644 });
  writeFileAtomic(paths.version, `${storeVersion}\n`, { durable: true });
}

/** Whether the directory is a store, of whatever format: it has a format number and the image layout's marker. */
export function isStore(paths: StorePaths): boolean {
  try {
    const [version, marker] = [paths.version, paths.ociLayout].map((path) =>
      readBytes(path, 256)?.toString('latin1'),
    );
    return /^[0-9]{1,9}\n$/.test(version ?? '') && /^\s*\{\s*"imageLayoutVersion"/.test(marker ?? '');
  } catch (error) {
    // Another thing is in the place of one of them.
    if (error instanceof CoracleError && ['INVALID', 'IO'].includes(error.code)) return false;
    throw error;
  }
}

/** Those of `names`, which lie in a store's directory, that are none of ours. */
export function foreignNames(paths: StorePaths, names: readonly string[]): readonly string[] {
  const ours = new Set(
    Object.values(paths)
      .filter((path) => typeof path === 'string' && dirname(path) === paths.root)
      .map(String)
      .map((path) => basename(path)),
  );
  // The journal has an older part; records have versions that were not finished, and damaged ones that were kept.
  return names.filter(
    (name) => !ours.has(name) && !ours.has(name.replace(/\.(1|damaged|[0-9a-z]+\.tmp)$/, '')),
  );
}

/** A mistyped --root must not scatter a store over somebody's home. A half-made store of ours is finished. */
function checkContent(paths: StorePaths): number {
  const names = readdirSync(paths.root);
  const [foreign] = foreignNames(paths, names);
  if (foreign === undefined) return names.length;
  throw new CoracleError(
    'INVALID',
    `create store in ${paths.root}: it already holds ${JSON.stringify(foreign)}`,
    {
      hint: 'name an empty or new directory with --root',
    },
  );
}

function makePrivate(root: string): void {
  try {
    chmodSync(root, 0o700);
  } catch (error) {
    if (!hasErrno(error, 'EPERM')) throw ioError(`create store in ${root}`, error);
  }
}

/**
 * Image files may be setuid for mapped ids: nobody else may get at them (S27). A root that others may enter shares its
 * blobs with them and nothing else.
 */
function checkOwner(paths: StorePaths, found: Stats): void {
  const { root } = paths;
  const uid = process.getuid?.();
  if (found.uid !== uid) {
    throw new CoracleError('HOST', `open store ${root}: it belongs to uid ${found.uid}, not ${uid}`, {
      hint: 'name a directory of your own with --root',
    });
  }
  if ((found.mode & 0o077) === 0) return;
  const open = (found.mode & 0o022) !== 0 ? root : privateRooms(paths).find(isOpen);
  if (open === undefined) return;
  const mode = (statSync(open).mode & 0o777).toString(8);
  throw new CoracleError(
    'HOST',
    `open store ${root}: others may enter ${open === root ? 'it' : open} (mode ${mode})`,
    {
      hint: `chmod 700 ${open}`,
    },
  );
}

function privateRooms(paths: StorePaths): readonly string[] {
  const { snapshots, containers, volumes, networks, secrets, build, working, staging, trash, locks } = paths;
  return [snapshots, containers, volumes, networks, secrets, build, working, staging, trash, locks];
}

function isOpen(path: string): boolean {
  return ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0;
}

function statRoot(root: string): Stats {
  try {
    const found = statSync(root);
    if (found.isDirectory()) return found;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw ioError(`open store ${root}`, error);
  }
  throw new CoracleError('INVALID', `open store ${root}: not a directory`);
}
