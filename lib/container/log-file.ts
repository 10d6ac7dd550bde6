/** Reading growing, rotated log files: `log.2`, `log.1`, `log`, oldest first. */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { namesIn } from '../host/files.js';

/** Existing files of a log, oldest first; none once its container is removed. */
export function logFiles(path: string): readonly string[] {
  const name = basename(path);
  const number = (file: string): number => (file === name ? 0 : Number(file.slice(name.length + 1)));
  const isPart = (file: string): boolean =>
    file === name || (file.startsWith(`${name}.`) && /^\d+$/.test(file.slice(name.length + 1)));
  return namesIn(dirname(path))
    .filter(isPart)
    .sort((a, b) => number(b) - number(a))
    .map((file) => join(dirname(path), file));
}

const blockSize = 256 * 1024;

/** A file that is appended to, line by line. */
export class LineReader {
  readonly #descriptor: number;
  #position: number;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(descriptor: number, position: number) {
    this.#descriptor = descriptor;
    this.#position = position;
  }

  /** Undefined when there is no such file. With `last`, only about so many bytes at its end: the first line is cut. */
  static open(path: string, last?: number): LineReader | undefined {
    try {
      const descriptor = openSync(path, 'r');
      const start = last === undefined ? 0 : Math.max(0, fstatSync(descriptor).size - last);
      return new LineReader(descriptor, start);
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return undefined;
      throw ioError(`read log ${path}`, error);
    }
  }

  /** Whether the next line is the file's first. */
  get atStart(): boolean {
    return this.#position === 0;
  }

  /** The complete lines that have been written since the last call, with their newlines. */
  *lines(): Generator<Buffer> {
    for (const text of this.blocks()) {
      let start = 0;
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, start)) {
        yield text.subarray(start, end + 1);
        start = end + 1;
      }
    }
  }

  /** The same, many lines together; the reader's own until the next one is asked for, so it may be changed. */
  *blocks(): Generator<Buffer> {
    for (;;) {
      const block = Buffer.allocUnsafe(blockSize);
      const count = readSync(this.#descriptor, block, 0, blockSize, this.#position);
      if (count === 0) return;
      this.#position += count;
      const fresh = block.subarray(0, count);
      const text = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
      const end = text.lastIndexOf(10) + 1;
      this.#rest = text.subarray(end);
      if (end > 0) yield text.subarray(0, end);
    }
  }

  /** Whether `path` still means this file: a rotation gives its name to a new one. */
  isAt(path: string): boolean {
    const named = statSync(path, { throwIfNoEntry: false });
    return named !== undefined && named.ino === fstatSync(this.#descriptor).ino;
  }

  /** The oldest file of a log; undefined when there is none. */
  static openOldest(path: string): LineReader | undefined {
    for (;;) {
      const [oldest] = logFiles(path);
      const reader = oldest === undefined ? undefined : LineReader.open(oldest);
      if (reader !== undefined || oldest === undefined) return reader;
    }
  }

  /**
   * The file that was begun after this one; undefined when it is not there yet. A rotation gives names to other files
   * while they are looked at, so what was opened is looked for again.
   */
  next(path: string): LineReader | undefined {
    for (;;) {
      const name = this.#nextName(path);
      const reader = name === undefined ? undefined : LineReader.open(name);
      if (name === undefined) return undefined;
      const again = this.#nextName(path);
      if (reader !== undefined && again !== undefined && reader.isAt(again)) return reader;
      reader?.close();
    }
  }

  /** The name of the file after this one; the oldest where this one fell off. */
  #nextName(path: string): string | undefined {
    const own = fstatSync(this.#descriptor).ino;
    const files = logFiles(path);
    return files[files.findIndex((file) => statSync(file, { throwIfNoEntry: false })?.ino === own) + 1];
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
