/** Writing pieces of a stream to a file: several by one system call, not copied together first. */
import type { FileHandle } from 'node:fs/promises';
import { ioError } from '../errors.js';

/** Pieces are gathered up to this size. */
const gatherBytes = 1024 * 1024;
/** The kernel takes no more in one call (IOV_MAX). */
const pieceLimit = 1024;

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
 * What the stream throws goes through as it is; a failed write is an error of `action`.
 */
export async function writeStream(
  file: FileHandle,
  stream: AsyncIterable<Uint8Array>,
  action: string,
): Promise<void> {
  let pieces: Uint8Array[] = [];
  let gathered = 0;
  let written: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    try {
      await writePieces(file, pieces);
    } catch (error) {
      throw ioError(action, error);
    }
  };
  try {
    for await (const piece of stream) {
      pieces.push(piece);
      gathered += piece.length;
      if (gathered < gatherBytes) continue;
      await written;
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
