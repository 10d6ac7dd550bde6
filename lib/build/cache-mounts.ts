/**
 * The store's cache mounts, `build/mounts/<name>/`: `data` is what RUN sees, `record.json` says what it is, `lock` is held by
 * whoever uses it and let go of by the kernel when that process dies. A name is a hash, so an id of a Dockerfile is never part
 * of a path (S31).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoracleError } from '../errors.js';
import { ensureDirectory, namesIn, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import type { HeldLock, Locks } from '../host/staging.js';
import { moveToTrash } from '../host/trash.js';
import { invalid, optional, present, requireObject, requireSize, requireString } from '../oci/guards.js';

/** What makes a cache mount another one. */
export type CacheMountIdentity = {
  /** BUILDKIT_CACHE_MOUNT_NS; empty without one. */
  readonly namespace: string;
  /** `id=`, or the target. */
  readonly id: string;
  /** Of the files it begins with, where `from=` names some. */
  readonly from?: string | undefined;
  /** Where any of them is given: as in BuildKit, a cache of another owner is another cache. */
  readonly owner?: CacheMountOwner | undefined;
};

export type CacheMountOwner = { readonly uid: number; readonly gid: number; readonly mode: number };

export type CacheSharing = 'shared' | 'private' | 'locked';

export type CacheMountRecord = {
  readonly version: 1;
  readonly identity: CacheMountIdentity;
  /** RFC 3339. */
  readonly created: string;
  readonly lastUsed: string;
};

export type CacheMount = {
  /** 64 hexadecimal digits; those made for further writers of a private one have `-1`, `-2` ... behind them. */
  readonly name: string;
  /** What a RUN sees; missing until the first use has made it. */
  readonly data: string;
  readonly record: CacheMountRecord;
};

/** A mount in use: nobody removes it, and others share it only as far as `sharing` allows. */
export type HeldCacheMount = CacheMount & { readonly release: () => void };

export type AcquireOptions = {
  readonly sharing: CacheSharing;
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else has it. */
  readonly onWait?: (() => void) | undefined;
};

const pollMilliseconds = 50;
const recordName = 'record.json';
const dataName = 'data';

export class CacheMounts {
  readonly #paths: StorePaths;
  readonly #locks: Locks;
  readonly #directory: string;

  constructor(paths: StorePaths, locks: Locks) {
    this.#paths = paths;
    this.#locks = locks;
    this.#directory = join(paths.build, 'mounts');
  }

  /** Those with a whole record, by name. */
  list(): readonly CacheMount[] {
    return this.#names().flatMap((name) => {
      const record = this.#read(name);
      return record === undefined ? [] : [{ name, data: this.#dataOf(name), record }];
    });
  }

  /**
   * The mount of `identity`, made known when it is new; its `data` is for the caller to make. Waits as long as `sharing` asks.
   * @throws ABORTED when `signal` fires meanwhile.
   */
  async acquire(identity: CacheMountIdentity, options: AcquireOptions): Promise<HeldCacheMount> {
    const base = nameOf(identity);
    const { name, lock } =
      options.sharing === 'private' ? this.#firstFree(base) : await this.#wait(base, options);
    const now = new Date().toISOString();
    const record = {
      version: 1,
      identity,
      created: this.#read(name)?.created ?? now,
      lastUsed: now,
    } as const;
    this.#write(name, record);
    const release = (): void => {
      this.#write(name, { ...record, lastUsed: new Date().toISOString() });
      lock.release();
    };
    return { name, data: this.#dataOf(name), record, release };
  }

  /**
   * Moves a mount to the trash.
   * @returns false when a build is using it.
   */
  remove(name: string): boolean {
    if (!isName(name)) throw new CoracleError('INVALID', `remove cache mount ${name}: no such name`);
    const path = join(this.#directory, name);
    if (!existsSync(path)) return true;
    const lock = this.#locks.holdLock(join(path, 'lock'));
    if (lock === undefined) return false;
    try {
      moveToTrash(this.#paths, path);
      return true;
    } finally {
      lock.release();
    }
  }

  #firstFree(base: string): { readonly name: string; readonly lock: HeldLock } {
    for (let number = 0; ; number++) {
      const name = number === 0 ? base : `${base}-${number}`;
      const lock = this.#locks.holdLock(this.#lockOf(name));
      if (lock !== undefined) return { name, lock };
    }
  }

  /** flock has no event for a lock that comes free, and a blocking call would stop the builder's other steps: asked again and again. */
  async #wait(
    name: string,
    { sharing, signal, onWait }: AcquireOptions,
  ): Promise<{ readonly name: string; readonly lock: HeldLock }> {
    const mode = sharing === 'shared' ? 'shared' : 'exclusive';
    for (let tries = 0; ; tries++) {
      const lock = this.#locks.holdLock(this.#lockOf(name), { mode });
      if (lock !== undefined) return { name, lock };
      if (tries === 0) onWait?.();
      await sleep(pollMilliseconds, undefined, signal === undefined ? {} : { signal });
    }
  }

  #lockOf(name: string): string {
    const path = join(this.#directory, name);
    ensureDirectory(path);
    return join(path, 'lock');
  }

  #dataOf(name: string): string {
    return join(this.#directory, name, dataName);
  }

  #names(): readonly string[] {
    return namesIn(this.#directory).filter(isName).sort();
  }

  #write(name: string, record: CacheMountRecord): void {
    writeFileAtomic(join(this.#directory, name, recordName), JSON.stringify(record));
  }

  /** A damaged record is none: the mount goes with the next use of its id, which writes it again. */
  #read(name: string): CacheMountRecord | undefined {
    try {
      return parseRecord(readJson(join(this.#directory, name, recordName)));
    } catch (error) {
      if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
      throw error;
    }
  }
}

function nameOf({ namespace, id, from, owner }: CacheMountIdentity): string {
  const parts = [namespace, id, from ?? '', owner === undefined ? '' : JSON.stringify(Object.values(owner))];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

function isName(name: string): boolean {
  return /^[0-9a-f]{64}(-\d+)?$/.test(name);
}

/** @throws INVALID */
function parseRecord(value: unknown): CacheMountRecord | undefined {
  if (value === undefined) return undefined;
  const where = 'cache mount';
  const record = requireObject(value, where);
  if (record.version !== 1) throw invalid(where, 'another version');
  return {
    version: 1,
    identity: parseIdentity(record.identity, `${where}: identity`),
    created: requireTime(record.created, `${where}: created`),
    lastUsed: requireTime(record.lastUsed, `${where}: lastUsed`),
  };
}

function parseIdentity(value: unknown, where: string): CacheMountIdentity {
  const record = requireObject(value, where);
  return {
    namespace: requireString(record.namespace, where),
    id: requireString(record.id, where),
    ...present('from', optional(record.from, where, requireString)),
    ...present('owner', optional(record.owner, where, parseOwner)),
  };
}

function parseOwner(value: unknown, where: string): CacheMountOwner {
  const { uid, gid, mode } = requireObject(value, where);
  return { uid: requireSize(uid, where), gid: requireSize(gid, where), mode: requireSize(mode, where) };
}

function requireTime(value: unknown, where: string): string {
  const text = requireString(value, where);
  if (Number.isFinite(Date.parse(text))) return text;
  throw invalid(where, 'no time');
}
