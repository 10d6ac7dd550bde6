/**
 * Content digests of context files, remembered by what the kernel says of a file: device, inode, size, mtime and ctime. A file
 * whose numbers are the same has the same bytes, unless it changed within the clock's grain after it was read; such young files
 * are hashed again next time.
 */
import { createHash, type Hash } from 'node:crypto';
import { type BigIntStats, closeSync, constants, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import { logger } from '../host/log.js';

/** `stamp` is what the kernel said of the file when it had these bytes. */
type Row = readonly [path: string, stamp: string, digest: string];

/** A file changed less than this many nanoseconds before it was read is not remembered. */
const grain = 100_000_000n;
const rowLimit = 200_000;
const chunkSize = 1 << 20;
/** Larger files are hashed in turns with everything else. */
const turnSize = 8 * chunkSize;

/** A regular file as lstat found it. */
export type FileStat = { readonly stamp: string; readonly size: number; readonly ctimeNs: bigint };

export class StatCache {
  readonly #file: string;
  readonly #root: string;
  readonly #known = new Map<string, Row>();
  readonly #fresh = new Map<string, Row>();
  /** Files that had other bytes, or none, when an earlier build looked. */
  readonly #differing = new Map<string, 'changed' | 'new'>();
  #changed = false;
  #buffer: Buffer | undefined;

  /** `file` holds the digests of the files below the directory `root`. A damaged file is an empty one. */
  constructor(file: string, root: string) {
    this.#file = file;
    this.#root = root;
    for (const row of readRows(file)) this.#known.set(row[0], row);
  }

  /** Hexadecimal SHA-256 of the regular file `path` (relative to the root), whose lstat gave `stat`; at once for small files. */
  digest(path: string, stat: FileStat): string | Promise<string> {
    const { stamp } = stat;
    const known = this.#known.get(path);
    if (known !== undefined && known[1] === stamp) {
      this.#fresh.set(path, known);
      return known[2];
    }
    const readAt = BigInt(Date.now()) * 1_000_000n;
    const remember = (digest: string): string => {
      this.#changed = true;
      if (known?.[2] !== digest) this.#differing.set(path, known === undefined ? 'new' : 'changed');
      if (stat.ctimeNs < readAt - grain) this.#fresh.set(path, [path, stamp, digest]);
      return digest;
    };
    if (stat.size > turnSize) return this.#hashInTurns(path, stat).then(remember);
    return remember(this.#hash(path, stat));
  }

  /** What of the files below `path` an earlier build found otherwise, in the order of their names; `.` is all. */
  changes(path: string): readonly string[] {
    const isBelow = (name: string): boolean => path === '.' || name === path || name.startsWith(`${path}/`);
    const gone = [...this.#known.keys()].filter(
      (name) => isBelow(name) && !existsSync(`${this.#root}/${name}`),
    );
    const differing = [...this.#differing].filter(([name]) => isBelow(name));
    return [
      ...differing.map(([name, how]) => `${name} is ${how}`),
      ...gone.map((name) => `${name} is gone`),
    ].sort();
  }

  /**
   * Writes what was learnt. Files not asked for this time are kept, unless there are so many that most must be gone. Where it
   * cannot be written, files are read once more another time.
   */
  save(): void {
    if (!this.#changed) return;
    const all = new Map([...this.#known, ...this.#fresh]);
    try {
      ensureDirectory(dirname(this.#file));
      writeFileAtomic(this.#file, JSON.stringify([...(all.size > rowLimit ? this.#fresh : all).values()]));
      this.#changed = false;
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      logger().warn({ error, file: this.#file }, 'what is known of files not written');
    }
  }

  #hash(path: string, stat: FileStat): string {
    const descriptor = this.#open(path, stat);
    try {
      const hash = createHash('sha256');
      while (this.#update(hash, descriptor) > 0);
      return hash.digest('hex');
    } finally {
      closeSync(descriptor);
    }
  }

  async #hashInTurns(path: string, stat: FileStat): Promise<string> {
    const descriptor = this.#open(path, stat);
    try {
      const hash = createHash('sha256');
      while (this.#update(hash, descriptor) > 0) await nextTurn();
      return hash.digest('hex');
    } finally {
      closeSync(descriptor);
    }
  }

  #update(hash: Hash, descriptor: number): number {
    this.#buffer ??= Buffer.allocUnsafe(chunkSize);
    const count = readSync(descriptor, this.#buffer);
    hash.update(this.#buffer.subarray(0, count));
    return count;
  }

  #open(path: string, stat: FileStat): number {
    const absolute = `${this.#root}/${path}`;
    let descriptor: number;
    try {
      // The path was resolved inside the context; a link that took its place since must not lead out of it.
      descriptor = openSync(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw changedWhileRead(path, error);
      throw ioError(`read ${absolute}`, error);
    }
    if (stampOf(fstatSync(descriptor, { bigint: true })) === stat.stamp) return descriptor;
    closeSync(descriptor);
    throw changedWhileRead(path);
  }
}

/** The context must hold still between a file's hash and its copy, or the cache would lie. */
export function changedWhileRead(path: string, cause?: unknown): CoracleError {
  return new CoracleError('CONFLICT', `copy ${path}: it changed while the build read it`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'build again when nothing writes to the context, or name the file in .dockerignore',
  });
}

/** What the kernel says of a file's identity and content. */
export function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

function readRows(file: string): readonly Row[] {
  let value: unknown;
  try {
    value = readJson(file);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return [];
    throw error;
  }
  return Array.isArray(value) ? value.filter(isRow) : [];
}

function isRow(value: unknown): value is Row {
  return Array.isArray(value) && value.length === 3 && value.every((field) => typeof field === 'string');
}
