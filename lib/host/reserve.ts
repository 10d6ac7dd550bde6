/**
 * A file of zeros that is given up when the disk is full, so that even then a record can be rewritten to remove
 * something: replacing a file needs room for both for a moment.
 */
import { rmSync, statSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { writeFileAtomic } from './files.js';
import type { StorePaths } from './paths.js';

const reserveBytes = 512 * 1024;

/** Makes the reserve if there is none; without room for it, it is made another time. */
export function ensureReserve(paths: StorePaths): void {
  if (statSync(paths.reserve, { throwIfNoEntry: false })?.size === reserveBytes) return;
  try {
    writeFileAtomic(paths.reserve, Buffer.alloc(reserveBytes));
  } catch (error) {
    if (!isFull(error)) throw error;
  }
}

/** Runs `action`; when the disk is full, once more without the reserve. */
export function withReserve<T>(paths: StorePaths, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!isFull(error)) throw error;
    rmSync(paths.reserve, { force: true });
    return action();
  }
}

function isFull(error: unknown): boolean {
  return error instanceof CoracleError && error.code === 'NO_SPACE';
}
