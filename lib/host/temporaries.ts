/**
 * What killed writers leave beside their records: files that were to be renamed (`NAME.<12 hex digits>.tmp`), and locks named
 * after passing things.
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import type { StorePaths } from './paths.js';
import type { Locks } from './staging.js';

const temporaryName = /\.[0-9a-f]{12}\.tmp$/;
/** Locks that are removed by their last holder; those of the store's own records stay. */
const passingLock = /^(partial|unpack|step)-/;

/** No writer of a record takes longer than this many milliseconds. */
const writing = 60_000;

/** Removes what no living process can be at. Records lie at most two directories below the root. */
export function sweepTemporaries(paths: StorePaths, locks: Locks, now: number): void {
  const { root, blobs, staging, trash } = paths;
  try {
    sweepBelow(root, {
      depth: 2,
      passed: new Set([blobs, staging, trash, paths.locks]),
      before: now - writing,
    });
    for (const path of passingLocks(paths)) locks.holdLock(path, { temporary: true })?.release();
  } catch (error) {
    throw ioError(`collect what killed processes left in ${root}`, error);
  }
}

/** Files of the locks on passing things, whether somebody holds them or not. */
export function passingLocks({ locks }: StorePaths): readonly string[] {
  const names = existsSync(locks) ? readdirSync(locks) : [];
  return names.flatMap((name) => (passingLock.test(name) ? [join(locks, name)] : []));
}

type Walk = {
  readonly depth: number;
  /** Directories without records. */
  readonly passed: ReadonlySet<string>;
  readonly before: number;
};

function sweepBelow(directory: string, walk: Walk): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (temporaryName.test(entry.name)) removeOld(path, walk.before);
    else if (entry.isDirectory() && walk.depth > 0 && !walk.passed.has(path)) {
      enter(path, { ...walk, depth: walk.depth - 1 });
    }
  }
}

/** A directory may go meanwhile, and what a container's user made private is none of ours. */
function enter(path: string, walk: Walk): void {
  try {
    sweepBelow(path, walk);
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'EACCES')) throw error;
  }
}

function removeOld(path: string, before: number): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found !== undefined && found.mtimeMs < before) rmSync(path, { recursive: true, force: true });
}
