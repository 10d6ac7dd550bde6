/** The lock of a container, which its supervisor has as long as it lives, for who takes the container out of the store. */
import { closeSync, openSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { StorePaths } from '../host/paths.js';
import { withReserve } from '../host/reserve.js';
import { addon } from '../native/addon.js';

export type Claim = { release(): void };

/**
 * Keeps every supervisor away from a container until it is released; undefined when one has it, or somebody else who
 * removes it. Where there is nothing to lock, because the directory is gone or the disk is full, the claim is empty.
 */
export function claimContainer(paths: StorePaths, directory: string): Claim | undefined {
  const descriptor = openLock(paths, `${directory}/lock`);
  if (descriptor === undefined) return { release: () => undefined };
  let taken = false;
  try {
    taken = addon().ofdLock(descriptor);
  } catch (error) {
    throw ioError(`lock ${directory}/lock`, error);
  } finally {
    if (!taken) closeSync(descriptor);
  }
  return taken ? { release: () => closeSync(descriptor) } : undefined;
}

function openLock(paths: StorePaths, path: string): number | undefined {
  try {
    return withReserve(paths, () => openForWriting(path));
  } catch (error) {
    // A full disk must not keep anybody from removing things.
    const expected = error instanceof CoracleError && hasErrno(error.cause, 'ENOENT', 'ENOSPC', 'EDQUOT');
    if (!expected) throw error;
    return undefined;
  }
}

function openForWriting(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw ioError(`lock ${path}`, error);
  }
}
