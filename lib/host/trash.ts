/**
 * The trash: trees leave their place by a rename, which is atomic and works whoever owns the files inside; the
 * slow removal comes later and may be broken off at any point.
 */
import { readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { ensureDirectory } from './files.js';
import type { StorePaths } from './paths.js';
import { randomHex } from './random.js';
import { withReserve } from './reserve.js';

/** Removes a tree below the store, whoever owns what is in it. */
export type RemoveTree = (path: string) => Promise<void>;

/**
 * Moves a file or tree of the store to the trash.
 * @returns its path there, undefined when it was gone already.
 */
export function moveToTrash(paths: StorePaths, path: string): string | undefined {
  const target = join(paths.trash, `${basename(path)}.${randomHex(6)}`);
  try {
    ensureDirectory(paths.trash);
    withReserve(paths, () => move(path, target));
    return target;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw ioError(`move ${path} to the trash`, error);
  }
}

/** A directory that grows by a name may need room. */
function move(path: string, target: string): void {
  try {
    renameSync(path, target);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw error;
    throw ioError(`move ${path} to the trash`, error);
  }
}

/** What lies in the trash, as paths. */
export function listTrash(paths: StorePaths): readonly string[] {
  try {
    return readdirSync(paths.trash).map((name) => join(paths.trash, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError(`read ${paths.trash}`, error);
  }
}

/** Empties the trash. Another process may do the same at the same time. */
export async function emptyTrash(paths: StorePaths, remove: RemoveTree): Promise<void> {
  for (const path of listTrash(paths)) await remove(path);
}
