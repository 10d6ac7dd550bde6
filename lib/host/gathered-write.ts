/** Writing pieces of a stream to a file: several by one system call, not copied together first. */
import type { FileHandle } from 'node:fs/promises';
import { ioError } from '../errors.js';
import { giveBack } from './lent.js';

/** Pieces are gathered up to this size. */
const gatherBytes = 1024 * 1024;
/** The kernel takes no more in one call (IOV_MAX). */
const pieceLimit = 1024;

/** A file is brought to the disk each time this much was written: what is left at its end is soon there. */
const syncBytes = 32 * 1024 * 1024;

/** Brings a file to the disk while it is still being written, so that the disk does not wait for the end. */
export class EarlySync {
  readonly #file: FileHandle;
  #unsynced = 0;
  #running: Promise<void> | undefined;
  #failure: unknown;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Says that so many bytes more were written. */
  wrote(bytes: number): void {
    this.#unsynced += bytes;
    if (this.#unsynced < syncBytes || this.#running !== undefined) return;
    this.#unsynced = 0;
    this.#running = this.#sync();
  }

  /** The whole file is on the disk. @throws also what failed before: the kernel tells of it once. */
  async finish(): Promise<void> {
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
    await this.#file.sync();
  }

  /** Waits for what runs, before the file is closed. */
  async settle(): Promise<void> {
    await this.#running;
  }

  async #sync(): Promise<void> {
    try {
      await this.#file.datasync();
    } catch (error) {
      this.#failure ??= error;
    }
    this.#running = undefined;
  }
}

/** Writes all pieces where the file stands. */
export async function writePieces(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  let left = pieces;
  while (left.length > 0) {
    let { bytesWritten } = await file.writev(left.slice(0, pieceLimit));
    let whole = 0;
    for (; whole < left.length && bytesWritten >= (left[whole]?.length ?? 0); whole++)
      bytesWritten -= left[whole]?.length ?? 0;
    left = left.slice(whole);
    const [first, ...rest] = left;
    if (first !== undefined && bytesWritten > 0) left = [first.subarray(bytesWritten), ...rest];
  }
}

/**
 * Writes a stream where the file stands; the next pieces are made while the last ones are written.
 * What the stream throws goes through as it is; a failed write is an error of `action`. Lent pieces are given back.
 */
export async function writeStream(
  file: FileHandle,
  stream: AsyncIterable<Uint8Array>,
  action: string,
  sync?: EarlySync,
): Promise<void> {
  let pieces: Uint8Array[] = [];
  let gathered = 0;
  let written: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    const taken = pieces;
    try {
      await writePieces(file, taken);
    } catch (error) {
      throw ioError(action, error);
    } finally {
      for (const piece of taken) giveBack(piece);
    }
  };
  try {
    for await (const piece of stream) {
      pieces.push(piece);
      gathered += piece.length;
      if (gathered < gatherBytes) continue;
      await written;
      sync?.wrote(gathered);
      written = write();
      // what the stream throws meanwhile must not leave this failure unheard
      written.catch(() => undefined);
      pieces = [];
      gathered = 0;
    }
  } finally {
    await Promise.allSettled([written]);
  }
  await written;
  await write();
}
