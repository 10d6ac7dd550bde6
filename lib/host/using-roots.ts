/**
 * Which stores use an image store beside themselves: `roots/<id>` in it are links to their roots. What their containers need stays
 * when the image store is swept, whoever does that.
 */
import { readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { ensureDirectory, namesIn } from './files.js';
import { type StorePaths, storePaths } from './paths.js';
import { openStoreRoot } from './store-version.js';

/** Opens the image store, a store of its own, and notes who uses it. @throws as `openStoreRoot` does */
export function openImageStore(paths: StorePaths): void {
  openStoreRoot(storePaths(paths.imageRoot));
  noteUser(paths, paths.root);
}

/** Notes a directory in whose `containers` the images are used. */
export function noteUser({ roots }: Pick<StorePaths, 'roots'>, root: string): void {
  try {
    const { dev, ino } = statSync(root);
    const link = join(roots, `${dev}-${ino}`);
    if (linksIn(roots).includes(root)) return;
    ensureDirectory(roots);
    // What it may have led to is another directory now.
    rmSync(link, { force: true });
    symlinkSync(root, link);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw ioError(`write to ${roots}`, error);
  }
}

/** The directories of containers whose images lie in the image store of these paths. */
export function containerRooms({ imageRoot, containers, roots }: StorePaths): readonly string[] {
  const users = linksIn(roots).map((root) => storePaths(root).containers);
  return [...new Set([containers, storePaths(imageRoot).containers, ...users])];
}

/**
 * The directories of containers that may have volumes of the root: those of these paths, the root's own, and those of its transient
 * containers, of whatever runtime directory.
 */
export function volumeRooms({ root, containers, transientLayers }: StorePaths): readonly string[] {
  const own = storePaths(root);
  const names = namesIn(transientLayers);
  const transient = linksIn(own.roots).filter((link) => names.includes(basename(link)));
  return [...new Set([containers, own.containers, ...transient.map((link) => storePaths(link).containers)])];
}

function linksIn(directory: string): readonly string[] {
  return namesIn(directory).flatMap((name) => {
    try {
      return readlinkSync(join(directory, name));
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return [];
      throw ioError(`read ${directory}`, error);
    }
  });
}
