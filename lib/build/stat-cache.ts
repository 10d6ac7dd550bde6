/**
 * Content digests of context files, remembered by what the kernel says of a file: device, inode, size, mtime and ctime. A file
 * whose numbers are the same has the same bytes, unless it changed within the clock's grain after it was read; such young files
 * are hashed again next time.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';

type Row = readonly [
  path: string,
  dev: number,
  ino: number,
  size: number,
  mtimeMs: number,
  ctimeMs: number,
  digest: string,
];

/** A file changed less than this many milliseconds before it was read is not remembered. */
const grainMilliseconds = 100;
const chunkSize = 1 << 20;

export class StatCache {
  readonly #file: string;
  readonly #root: string;
  readonly #known = new Map<string, Row>();
  readonly #fresh = new Map<string, Row>();
  #changed = false;
  #buffer: Buffer | undefined;

  /** `file` holds the digests of the files below the directory `root`. A damaged file is an empty one. */
  constructor(file: string, root: string) {
    this.#file = file;
    this.#root = root;
    for (const row of readRows(file)) this.#known.set(row[0], row);
  }

  /** Hexadecimal SHA-256 of the regular file `path` (relative to the root), whose lstat gave `stat`. */
  digest(path: string, stat: Stats): string {
    const known = this.#known.get(path);
    if (known !== undefined && isSame(known, stat)) {
      this.#fresh.set(path, known);
      return known[6];
    }
    const readAt = Date.now();
    const digest = this.#hash(path, stat);
    this.#changed = true;
    if (stat.ctimeMs < readAt - grainMilliseconds) {
      this.#fresh.set(path, [path, stat.dev, stat.ino, stat.size, stat.mtimeMs, stat.ctimeMs, digest]);
    }
    return digest;
  }

  /** Writes what was learnt; entries of files not asked for this time are kept. */
  save(): void {
    if (!this.#changed) return;
    ensureDirectory(dirname(this.#file));
    writeFileAtomic(this.#file, JSON.stringify([...new Map([...this.#known, ...this.#fresh]).values()]));
    this.#changed = false;
  }

  #hash(path: string, stat: Stats): string {
    const absolute = `${this.#root}/${path}`;
    const hash = createHash('sha256');
    this.#buffer ??= Buffer.allocUnsafe(chunkSize);
    let descriptor: number;
    try {
      // The path was resolved inside the context; a link that took its place since must not lead out of it.
      descriptor = openSync(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      throw ioError(`read ${absolute}`, error);
    }
    try {
      const opened = fstatSync(descriptor);
      if (opened.ino !== stat.ino || opened.dev !== stat.dev) throw changed(absolute);
      for (
        let count = readSync(descriptor, this.#buffer);
        count > 0;
        count = readSync(descriptor, this.#buffer)
      ) {
        hash.update(this.#buffer.subarray(0, count));
      }
    } finally {
      closeSync(descriptor);
    }
    return hash.digest('hex');
  }
}

function changed(path: string): CoracleError {
  return new CoracleError('CONFLICT', `read ${path}: it was replaced while the build read it`, {
    hint: 'build again when nothing writes to the context',
  });
}

function isSame(row: Row, stat: Stats): boolean {
  return (
    row[1] === stat.dev &&
    row[2] === stat.ino &&
    row[3] === stat.size &&
    row[4] === stat.mtimeMs &&
    row[5] === stat.ctimeMs
  );
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
  return (
    Array.isArray(value) &&
    value.length === 7 &&
    typeof value[0] === 'string' &&
    value.slice(1, 6).every((item) => typeof item === 'number') &&
    /^[0-9a-f]{64}$/.test(String(value[6]))
  );
}
