/** Reading a file while another part of this process still writes it: extraction follows a download. */
import { type FileHandle, open } from 'node:fs/promises';
import { hasErrno, ioError } from '../errors.js';

const chunkSize = 256 * 1024;

/** Tells readers how far a file has come. Made before the file; ends with exactly one of `finish` and `fail`. */
export class GrowingFile {
  #path: string | undefined;
  #state: 'growing' | 'finished' | 'failed' = 'growing';
  #failure: unknown;
  #waiting: (() => void)[] = [];

  /** The file is there and can be opened. */
  start(path: string): void {
    this.#path = path;
    this.#wake();
  }

  /** There may be more to read. */
  grown(): void {
    if (this.#waiting.length > 0) this.#wake();
  }

  /** Everything has been written; `path` is where the file is now. */
  finish(path: string): void {
    this.#path = path;
    this.#state = 'finished';
    this.#wake();
  }

  /** Nothing more will come; readers get the error. */
  fail(error: unknown): void {
    if (this.#state === 'failed') return;
    this.#state = 'failed';
    this.#failure = error;
    this.#wake();
  }

  /** Waits for the end of the writing; throws what it failed with. */
  async settled(): Promise<void> {
    while (this.#state === 'growing') await this.#more();
    if (this.#state === 'failed') throw this.#failure;
  }

  /** Whether the writing has ended well. */
  get isFinished(): boolean {
    return this.#state === 'finished';
  }

  /** The bytes in order, to the end of the finished file. The memory of a piece is used again when the next one is asked for. */
  async *read(): AsyncGenerator<Buffer, void> {
    const file = await this.#open();
    const buffer = Buffer.allocUnsafe(chunkSize);
    try {
      for (let position = 0; ; ) {
        const finished = this.#state === 'finished';
        const { bytesRead } = await file.read(buffer, 0, chunkSize, position);
        position += bytesRead;
        if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
        // looked at before reading: what was written in between must not be missed
        else if (finished) return;
        else await this.#more();
      }
    } finally {
      await file.close();
    }
  }

  async #open(): Promise<FileHandle> {
    for (;;) {
      while (this.#path === undefined) await this.#more();
      const path = this.#path;
      try {
        return await open(path, 'r');
      } catch (error) {
        if (!hasErrno(error, 'ENOENT') || (this.#state === 'finished' && path === this.#path)) {
          throw ioError(`read ${path}`, error);
        }
        // moved to its place meanwhile; `finish` says where
        if (path === this.#path) await this.#more();
      }
    }
  }

  async #more(): Promise<void> {
    if (this.#state === 'growing') await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#state === 'failed') throw this.#failure;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
