/**
 * The trash: trees leave their place by a rename, which is atomic and works whoever owns the files inside; the
 * slow removal comes later and may be broken off at any point.
 */
import { renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { ensureDirectory, namesIn } from './files.js';
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
  const trash = trashFor(paths, path);
  const target = join(trash, `${basename(path)}.${randomHex(6)}`);
  try {
    ensureDirectory(trash);
    withReserve(paths, () => move(path, target));
    return target;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw ioError(`move ${path} to the trash`, error);
  }
}

/** A rename needs the same file system. */
function trashFor({ trash, imageRoot, imageTrash, transient }: StorePaths, path: string): string {
  if (transient !== undefined && path.startsWith(`${transient}/`)) return join(transient, 'trash');
  return path.startsWith(`${imageRoot}/`) ? imageTrash : trash;
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
export function listTrash({ trash, imageTrash, transient }: StorePaths): readonly string[] {
  const own = transient === undefined ? [] : pathsIn(join(transient, 'trash'));
  return [...own, ...pathsIn(trash), ...(imageTrash === trash ? [] : pathsIn(imageTrash))];
}

function pathsIn(trash: string): readonly string[] {
  return namesIn(trash).map((name) => join(trash, name));
}

/** Empties the trash. Another process may do the same at the same time. */
export async function emptyTrash(paths: StorePaths, remove: RemoveTree): Promise<void> {
  for (const path of listTrash(paths)) await remove(path);
}
