/** What load and import are given: a path, standard input, or a stream; compressed or not. */
import {
  closeSync,
  createReadStream,
  createWriteStream,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import { decompress, detectCompression, magicLength } from '../layer/compression.js';
import { type Archive, openDirectory, openTar } from './archive.js';

/** A file's or directory's path, `-` for standard input, or the bytes themselves. */
export type ArchiveSource = string | AsyncIterable<Uint8Array>;

/** The bytes of a source as they are. */
export function openSource(source: ArchiveSource): AsyncIterable<Uint8Array> {
  if (typeof source !== 'string') return source;
  return readPath(source);
}

/** Says of which source a malformed or damaged content was, where `work` finds one. */
export async function namingSource<T>(source: ArchiveSource, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CoracleError) || typeof source !== 'string') throw error;
    if (error.code !== 'INVALID' && error.code !== 'INTEGRITY') throw error;
    const { code, message, hint } = error;
    const details = hint === undefined ? { cause: error } : { cause: error, hint };
    throw new CoracleError(code, `read ${nameOf(source)}: ${message}`, details);
  }
}

/**
 * Opens a source for reading by name, and gives it to `use`. What can be read only once, or is compressed, is
 * written to the store's staging first.
 */
export async function withArchive<T>(
  stores: Stores,
  source: ArchiveSource,
  use: (archive: Archive) => Promise<T>,
): Promise<T> {
  const { archive, close } = await openArchive(stores, source);
  try {
    return await use(archive);
  } finally {
    close();
  }
}

/** As `withArchive`, for callers that read over a time; they close it. */
export async function openArchive(
  stores: Pick<Stores, 'staging'>,
  source: ArchiveSource,
): Promise<{ readonly archive: Archive; readonly close: () => void }> {
  const kind = typeof source === 'string' && source !== '-' ? kindOfPath(source) : 'stream';
  const close = (): void => undefined;
  if (typeof source === 'string' && kind === 'directory') return { archive: openDirectory(source), close };
  if (typeof source === 'string' && kind === 'tar') return { archive: await openTar(source), close };
  const path = stores.staging.open().file('archive');
  const remove = (): void => rmSync(path, { force: true });
  try {
    await spool(decompress(openSource(source), 'auto'), path);
    return { archive: await openTar(path), close: remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function kindOfPath(path: string): 'directory' | 'tar' | 'stream' {
  try {
    const found = statSync(path);
    if (found.isDirectory()) return 'directory';
    if (!found.isFile()) return 'stream';
    return detectCompression(readStart(path)) === 'none' ? 'tar' : 'stream';
  } catch (error) {
    throw sourceError(path, error);
  }
}

function readStart(path: string): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const start = Buffer.alloc(magicLength);
    return start.subarray(0, readSync(descriptor, start));
  } finally {
    closeSync(descriptor);
  }
}

async function spool(source: AsyncIterable<Buffer>, path: string): Promise<void> {
  const target = createWriteStream(path, { flags: 'wx', mode: 0o600, highWaterMark: 1024 * 1024 });
  try {
    await pipeline(source, target);
  } catch (error) {
    throw ioError('store archive', error);
  }
}

async function* readPath(path: string): AsyncGenerator<Uint8Array, void> {
  const options = { highWaterMark: 1024 * 1024 };
  const stream =
    path === '-'
      ? createReadStream('', { fd: 0, autoClose: false, ...options })
      : createReadStream(path, options);
  try {
    yield* stream;
  } catch (error) {
    throw sourceError(path, error);
  }
}

function sourceError(path: string, error: unknown): CoracleError {
  if (!hasErrno(error, 'ENOENT')) return ioError(`read ${nameOf(path)}`, error);
  return new CoracleError('NOT_FOUND', `read ${path}: no such file`, { cause: error });
}

function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}
