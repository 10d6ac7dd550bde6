/** The directory that an overlay mount works in, once the mount is gone. */
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../errors.js';
import type { StorePaths } from '../host/paths.js';
import { moveToTrash } from '../host/trash.js';

/** Removes the work directory, or leaves it to the trash where files of other owners lie in it. */
export function dropWork(paths: StorePaths, work: string): void {
  try {
    // The kernel makes these with mode 000, and a volatile mount leaves a mark in the first.
    for (const name of ['work', 'index'])
      if (existsSync(join(work, name))) chmodSync(join(work, name), 0o700);
    rmSync(work, { recursive: true, force: true });
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EACCES', 'EPERM')) throw error;
    moveToTrash(paths, work);
  }
}
