/** Waiting for a file system's disk. */
import { closeSync, openSync } from 'node:fs';
import { ioError } from '../errors.js';
import { addon } from './addon.js';

/** Returns when everything written so far to the file system of `path`, a directory, is on the disk. */
export function syncFileSystem(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    addon().syncfs(descriptor);
  } catch (error) {
    throw ioError(`sync the file system of ${path}`, error);
  } finally {
    closeSync(descriptor);
  }
}
