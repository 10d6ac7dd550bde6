/** Reading growing, rotated log files: `log.2`, `log.1`, `log`, oldest first. */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';

/** Existing files of a log, oldest first. */
export function logFiles(path: string): readonly string[] {
  const name = basename(path);
  const number = (file: string): number => (file === name ? 0 : Number(file.slice(name.length + 1)));
  const isPart = (file: string): boolean =>
    file === name || (file.startsWith(`${name}.`) && /^\d+$/.test(file.slice(name.length + 1)));
  return readdirSync(dirname(path))
    .filter(isPart)
    .sort((a, b) => number(b) - number(a))
    .map((file) => join(dirname(path), file));
}

const blockSize = 64 * 1024;

/** A file that is appended to, line by line. */
export class LineReader {
  readonly #descriptor: number;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Undefined when there is no such file. */
  static open(path: string): LineReader | undefined {
    try {
      return new LineReader(openSync(path, 'r'));
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return undefined;
      throw ioError(`read log ${path}`, error);
    }
  }

  /** The complete lines that have been written since the last call, without their newlines. */
  *lines(): Generator<Buffer> {
    for (;;) {
      const block = Buffer.allocUnsafe(blockSize);
      const count = readSync(this.#descriptor, block);
      if (count === 0) return;
      const text = Buffer.concat([this.#rest, block.subarray(0, count)]);
      let start = 0;
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, start)) {
        yield text.subarray(start, end);
        start = end + 1;
      }
      this.#rest = text.subarray(start);
    }
  }

  /** Whether `path` still means this file: a rotation gives its name to a new one. */
  isAt(path: string): boolean {
    const named = statSync(path, { throwIfNoEntry: false });
    return named !== undefined && named.ino === fstatSync(this.#descriptor).ino;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
