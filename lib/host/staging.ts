/**
 * Everything unfinished. Each process that makes something has its own directory `staging/<owner>/` with a
 * lock file in it; the kernel lets go of the lock when the process dies, and what then lies there is garbage.
 * An owner also holds the store's lease, so that a sweep does not take away blobs nothing points at yet.
 */
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { ensureDirectory } from './files.js';
import { removeNotedCgroups } from './left-cgroup.js';
import type { StorePaths } from './paths.js';
import { randomHex } from './random.js';
import { moveToTrash } from './trash.js';

/** A lock that is held until released or until the process ends. */
export type HeldLock = { release(): void };

export type HoldOptions = {
  /** Shared holders exclude only exclusive ones; default exclusive. */
  readonly mode?: 'shared' | 'exclusive';
  /** Block until the lock is free instead of giving up. */
  readonly wait?: boolean;
  /** Remove the lock's file on release; for locks named after passing things. */
  readonly temporary?: boolean;
};

/** The file locks of lib/native/lock.ts, handed in because this folder lies below it. */
export type Locks = {
  /** Runs `action` alone among all processes; for short synchronous sections. */
  withLock<T>(path: string, action: () => T): T;
  /** Takes a lock; undefined when somebody else has it and `wait` is not set. */
  holdLock(path: string, options?: HoldOptions): HeldLock | undefined;
};

/** Asks the file system to place what is made in a directory far apart. */
export type SpreadChildren = (directory: string) => void;

/** Below the staging directory: partial downloads, which outlive their process on purpose. */
export const partialsName = 'partial';
const ownerLockName = 'lock';

/** One process's own directory below staging. */
export class StagingOwner {
  readonly #path: string;
  readonly #locks: readonly HeldLock[];

  constructor(path: string, locks: readonly HeldLock[]) {
    this.#path = path;
    this.#locks = locks;
  }

  /** The path of a new file, which is not made. */
  file(name = 'file'): string {
    return join(this.#path, `${name}-${randomHex(8)}`);
  }

  /** The path of a new empty directory. */
  directory(name = 'directory'): string {
    const path = this.file(name);
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      throw ioError(`create staging directory ${path}`, error);
    }
    return path;
  }

  /** Gives up the directory with all that is left in it. Once its lock file is gone, a sweep may take it first. */
  close(paths: StorePaths): void {
    try {
      rmSync(join(this.#path, ownerLockName), { force: true });
      rmdirSync(this.#path);
    } catch (error) {
      if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) moveToTrash(paths, this.#path);
      else if (!hasErrno(error, 'ENOENT')) throw ioError(`remove ${this.#path}`, error);
    } finally {
      for (const lock of this.#locks) lock.release();
    }
  }
}

/** The staging directory of a store as one process uses it. */
export class StagingArea {
  readonly #paths: StorePaths;
  readonly #locks: Locks;
  readonly #spread: SpreadChildren;
  #owner: StagingOwner | undefined;
  #leases = 0;
  #alone = false;

  /** Trees of different owners have nothing to do with each other, which `spread` may tell the file system. */
  constructor(paths: StorePaths, locks: Locks, spread: SpreadChildren = () => undefined) {
    this.#paths = paths;
    this.#locks = locks;
    this.#spread = spread;
  }

  /** This process's own directory, made at the first call. */
  open(): StagingOwner {
    this.#owner ??= this.#openOwner();
    return this.#owner;
  }

  /**
   * Opens the directory and keeps every sweep away until released. Hold one over any operation that relies on
   * blobs or snapshots nothing refers to yet: a pull, a build, an unpack.
   */
  lease(): HeldLock {
    this.open();
    return this.#counted(undefined);
  }

  /** Keeps every sweep away as `lease` does, but makes no directory: for what is quick and stages nothing. */
  keepSweepsAway(): HeldLock {
    const lock = this.#alone
      ? undefined
      : this.#locks.holdLock(leasePath(this.#paths), { mode: 'shared', wait: true });
    return this.#counted(lock);
  }

  #counted(lock: HeldLock | undefined): HeldLock {
    this.#leases++;
    let held = true;
    return {
      release: () => {
        if (!held) return;
        held = false;
        this.#leases--;
        lock?.release();
      },
    };
  }

  /** Ends the ownership, if there is one; leftovers go to the trash. */
  close(): void {
    this.#owner?.close(this.#paths);
    this.#owner = undefined;
  }

  /**
   * Runs `action` while no operation holds a lease, in this process or another.
   * @returns false, without running it, when one does.
   */
  alone(action: () => void): boolean {
    const hold = this.holdAlone();
    if (hold === undefined) return false;
    try {
      action();
      return true;
    } finally {
      hold.release();
    }
  }

  /** Keeps operations that hold leases away until released; undefined when there is one, in this process or another. */
  holdAlone(): HeldLock | undefined {
    if (this.#leases > 0 || this.#alone) return undefined;
    this.close();
    const lease = this.#locks.holdLock(leasePath(this.#paths));
    if (lease === undefined) return undefined;
    this.#alone = true;
    return {
      release: () => {
        this.#alone = false;
        lease.release();
      },
    };
  }

  /** The directory is made and locked in one section, so that no sweep meets it without its lock. */
  #openOwner(): StagingOwner {
    const { staging, locks } = this.#paths;
    const path = join(staging, randomHex(8));
    this.#spread(staging);
    const lease = this.#alone
      ? undefined
      : this.#locks.holdLock(leasePath(this.#paths), { mode: 'shared', wait: true });
    const own = this.#locks.withLock(join(locks, sectionName), () => {
      ensureDirectory(path);
      return this.#locks.holdLock(join(path, ownerLockName));
    });
    return new StagingOwner(
      path,
      [own, lease].filter((lock) => lock !== undefined),
    );
  }
}

const sectionName = 'staging';

function leasePath(paths: StorePaths): string {
  return join(paths.locks, 'lease');
}

/**
 * Moves what dead processes left in staging to the trash. Partial downloads stay: they are for resuming.
 * That somebody was killed is noted: the store is looked at when there is time for it.
 * @returns how many owners were dead.
 */
export function sweepStaging(paths: StorePaths, locks: Locks): number {
  if (ownersOf(paths).length === 0) return 0;
  return locks.withLock(join(paths.locks, sectionName), () => {
    const owners = ownersOf(paths);
    // Who ends in good order takes the lock's file away first.
    const locked = new Set(owners.filter((owner) => existsSync(join(owner, ownerLockName))));
    const dead = owners.filter((owner) => takeOver(owner, paths, locks));
    if (dead.some((owner) => locked.has(owner))) noteCrash(paths);
    return dead.length;
  });
}

/** Where nothing can be written, nothing could be mended either. */
function noteCrash({ checkDue }: StorePaths): void {
  try {
    closeSync(openSync(checkDue, 'a', 0o600));
  } catch (error) {
    if (!hasErrno(error, 'EROFS', 'ENOSPC', 'EDQUOT')) throw ioError(`write ${checkDue}`, error);
  }
}

/** Whether a killed process left its work, which this call takes note of: it answers true once. */
export function takeCrashNote({ checkDue }: StorePaths): boolean {
  if (!existsSync(checkDue)) return false;
  try {
    rmSync(checkDue);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EROFS')) return false;
    throw ioError(`remove ${checkDue}`, error);
  }
}

function ownersOf(paths: StorePaths): readonly string[] {
  try {
    const names = readdirSync(paths.staging).filter((name) => name !== partialsName);
    return names.map((name) => join(paths.staging, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError(`read ${paths.staging}`, error);
  }
}

function takeOver(owner: string, paths: StorePaths, locks: Locks): boolean {
  if (!existsSync(join(owner, ownerLockName))) return moveToTrash(paths, owner) !== undefined;
  const lock = locks.holdLock(join(owner, ownerLockName));
  if (lock === undefined) return false;
  try {
    removeNotedCgroups(owner);
    return moveToTrash(paths, owner) !== undefined;
  } finally {
    lock.release();
  }
}
