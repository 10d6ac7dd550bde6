/**
 * File locks by flock(2): the kernel lets go of them when their holder dies, so no lock is ever stale.
 *
 * A lock's file may be removed by its holder. Whoever waited for that file then holds a lock on a file without
 * a name, so after each lock the name is checked and the whole begun again when it means another file.
 */
import { closeSync, fstatSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { ensureDirectory } from '../host/files.js';
import { logger } from '../host/log.js';
import type { HeldLock, HoldOptions, Locks } from '../host/staging.js';
import { addon } from './addon.js';

/**
 * Runs a short synchronous action alone among all processes that lock `path`. Not for nesting with the same
 * path: the process would wait for itself.
 */
export function withLock<T>(path: string, action: () => T): T {
  const descriptor = lockFile(path, 'exclusive', 'wait');
  try {
    return action();
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * Takes a lock until it is released or the process ends; undefined when somebody else, this process included,
 * has it. With `wait` it blocks the whole process until the lock is free.
 */
export function holdLock(path: string, options: HoldOptions = {}): HeldLock | undefined {
  const descriptor = lockFile(path, options.mode ?? 'exclusive', options.wait ? 'wait' : 'try');
  if (descriptor === undefined) return undefined;
  let held = true;
  return {
    release: () => {
      if (!held) return;
      held = false;
      if (options.temporary) removeLock(path);
      closeSync(descriptor);
    },
  };
}

/** A lock's file that stays is no lock: whoever wants it takes it, or a sweep does. */
function removeLock(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (error) {
    logger().warn({ error, path }, 'lock not removed');
  }
}

/** Both functions, for the folders below this one. */
export const fileLocks: Locks = { withLock, holdLock };

function lockFile(path: string, mode: 'shared' | 'exclusive', patience: 'wait' | 'try'): number | undefined {
  for (;;) {
    const descriptor = openLock(path);
    let keep = false;
    try {
      if (!addon().flock(descriptor, mode === 'shared' ? 'sh' : 'ex', patience === 'try')) return undefined;
      keep = isNamed(descriptor, path);
      if (keep) return descriptor;
    } catch (error) {
      throw ioError(`lock ${path}`, error);
    } finally {
      if (!keep) closeSync(descriptor);
    }
  }
}

/** Node opens with O_CLOEXEC: a started program never inherits a lock. */
function openLock(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw ioError(`lock ${path}`, error);
    ensureDirectory(dirname(path));
  }
  try {
    return openSync(path, 'a', 0o600);
  } catch (error) {
    throw ioError(`lock ${path}`, error);
  }
}

function isNamed(descriptor: number, path: string): boolean {
  const named = statSync(path, { throwIfNoEntry: false });
  if (named === undefined) return false;
  const held = fstatSync(descriptor);
  return named.ino === held.ino && named.dev === held.dev;
}
