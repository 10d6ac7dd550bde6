/** What can be asked of the file system below a directory. */
import { closeSync, openSync } from 'node:fs';
import { ioError } from '../errors.js';
import { addon } from './addon.js';

/** Returns when everything written so far to the file system of `path`, a directory, is on the disk. */
export function syncFileSystem(path: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    addon().syncfs(descriptor);
  } catch (error) {
    throw ioError(`sync the file system of ${path}`, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Begins to bring what was written so far to the disk, while this process goes on. Rejects with what was not written. */
export async function syncFileSystemLater(path: string): Promise<void> {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const synced = addon().syncfsLater(descriptor);
    closeSync(descriptor);
    descriptor = undefined;
    await synced;
  } catch (error) {
    throw ioError(`sync the file system of ${path}`, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * Tells the file system that what is made in the directory `path` is unrelated. ext4 then places each tree in a part of the disk
 * of its own, instead of beside all others: allocating is cheaper among few neighbours, above all where many were deleted just
 * before (without a journal ext4 steps over each of those again for every new file, for minutes). Elsewhere nothing happens.
 */
export function spreadChildren(path: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    addon().spreadChildren(descriptor);
  } catch (error) {
    throw ioError(`spread what is in ${path}`, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
