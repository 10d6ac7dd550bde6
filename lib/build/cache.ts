/**
 * The layer cache: one record per step key, saying which snapshot the step made. A record is a hint, never a truth: it counts
 * only while its snapshot is there, and losing one costs a rebuild.
 */
import { readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import {
  invalid,
  optional,
  present,
  requireBoolean,
  requireObject,
  requireString,
  requireStringMap,
} from '../oci/guards.js';
import { parseSnapshotId, type SnapshotId, type SnapshotRecord } from '../snapshot/record.js';
import type { CacheKey, NamedInputs } from './cache-key.js';

export type CacheRecord = {
  readonly version: 1;
  readonly key: CacheKey;
  readonly parent: CacheKey;
  /** What stands for the resulting files: the key itself, or for a record found by cheaper inputs the key by content. */
  readonly result: CacheKey;
  /** What any machine calls the result, where it is another key. */
  readonly claim?: CacheKey;
  readonly instruction: string;
  readonly inputs: NamedInputs;
  /** The stage's top after the step; absent for an empty file system. */
  readonly snapshot?: SnapshotId;
  /** False when the step changed nothing (a WORKDIR that was there) and the top is its parent's. */
  readonly madeLayer: boolean;
  /** RFC 3339; the time the step ran. */
  readonly created: string;
};

/** The part of the snapshot store the cache asks. */
export type SnapshotLookup = { readonly get: (id: SnapshotId) => SnapshotRecord | undefined };

/** A hit: the record, and the snapshot it names. */
export type CacheHit = { readonly record: CacheRecord; readonly snapshot: SnapshotRecord | undefined };

export class BuildCache {
  readonly #directory: string;
  readonly #snapshots: SnapshotLookup;

  /** `directory` is the store's build/cache. */
  constructor(directory: string, snapshots: SnapshotLookup) {
    this.#directory = directory;
    this.#snapshots = snapshots;
  }

  /** The record of `key`, if what it names is still there. */
  find(key: CacheKey): CacheHit | undefined {
    const record = this.#read(key);
    if (record === undefined) return undefined;
    if (record.snapshot === undefined) return { record, snapshot: undefined };
    const snapshot = this.#snapshots.get(record.snapshot);
    return snapshot === undefined ? undefined : { record, snapshot };
  }

  /** Remembers a step's result. Not fsynced: after a power loss the step runs again. */
  put(record: CacheRecord): void {
    ensureDirectory(this.#directory);
    writeFileAtomic(this.#pathOf(record.key), JSON.stringify(record));
  }

  list(): readonly CacheRecord[] {
    ensureDirectory(this.#directory);
    return readdirSync(this.#directory)
      .filter((name) => /^[0-9a-f]{64}\.json$/.test(name))
      .flatMap((name) => {
        const key = name.slice(0, 64);
        return this.#read(key) ?? [];
      });
  }

  /** Notes that a record served now: what is not used goes first when the cache is pruned. */
  touch(key: CacheKey): void {
    const now = new Date();
    try {
      utimesSync(this.#pathOf(key), now, now);
    } catch (error) {
      // Another process may have pruned it.
      if (!hasErrno(error, 'ENOENT')) throw ioError(`touch ${this.#pathOf(key)}`, error);
    }
  }

  /** When a record was made or served last, in milliseconds since the epoch. */
  lastUsed(key: CacheKey): number | undefined {
    return statSync(this.#pathOf(key), { throwIfNoEntry: false })?.mtimeMs;
  }

  remove(key: CacheKey): void {
    rmSync(this.#pathOf(key), { force: true });
  }

  /** A damaged record is no record. */
  #read(key: CacheKey): CacheRecord | undefined {
    try {
      return parseRecord(readJson(this.#pathOf(key)), key);
    } catch (error) {
      if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
      throw error;
    }
  }

  #pathOf(key: CacheKey): string {
    return join(this.#directory, `${key}.json`);
  }
}

/** @throws INVALID */
function parseRecord(value: unknown, key: CacheKey): CacheRecord | undefined {
  if (value === undefined) return undefined;
  const where = `build cache record ${key}`;
  const record = requireObject(value, where);
  if (record.version !== 1 || record.key !== key) throw invalid(where, 'another version, or another key');
  return {
    version: 1,
    key,
    parent: requireString(record.parent, `${where}: parent`),
    result: requireString(record.result, `${where}: result`),
    ...present('claim', optional(record.claim, `${where}: claim`, requireString)),
    instruction: requireString(record.instruction, `${where}: instruction`),
    inputs: requireStringMap(record.inputs, `${where}: inputs`),
    ...present('snapshot', optional(record.snapshot, `${where}: snapshot`, parseSnapshotId)),
    madeLayer: requireBoolean(record.madeLayer, `${where}: madeLayer`),
    created: requireString(record.created, `${where}: created`),
  };
}
