/**
 * Files as the store wants them: written whole or not at all, read into unknown values. Synchronous, because
 * records are small and stand on the way of every start.
 */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { parseJsonText } from '../oci/json-text.js';
import { logger } from './log.js';
import { randomHex } from './random.js';

export type WriteOptions = {
  /** Permission bits, whatever the umask; default 0600. */
  readonly mode?: number;
  /** Wait until the bytes and the name are on the disk. */
  readonly durable?: boolean;
};

/**
 * Replaces `path` by a file with `data`: a reader sees the old bytes or the new ones, also after a kill at
 * any instruction. With `durable` also after a power loss.
 * @throws NO_SPACE or IO; the old file is then untouched and nothing is left behind.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, options: WriteOptions = {}): void {
  const temporary = `${path}.${randomHex(6)}.tmp`;
  try {
    writeNew(temporary, data, options);
    renameSync(temporary, path);
    if (options.durable) fsyncDirectory(dirname(path));
  } catch (error) {
    discard(temporary);
    throw ioError(`write ${path}`, error);
  }
}

/** What failed already is what the caller has to know, not that nothing could be removed after it. */
function discard(temporary: string): void {
  try {
    rmSync(temporary, { force: true });
  } catch (error) {
    logger().debug({ err: error, temporary }, 'a file that was not finished stays');
  }
}

function writeNew(path: string, data: string | Uint8Array, options: WriteOptions): void {
  const mode = options.mode ?? 0o600;
  const descriptor = openSync(path, 'wx', mode);
  try {
    writeFully(descriptor, typeof data === 'string' ? Buffer.from(data) : data);
    fchmodSync(descriptor, mode);
    if (options.durable) fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Writes all of `data` at the descriptor's position, however few bytes the kernel takes at a time. */
export function writeFully(descriptor: number, data: Uint8Array): void {
  for (let done = 0; done < data.length; ) done += writeSync(descriptor, data, done);
}

/** Largest record read whole; a bigger file is not one of ours. */
const largestRecord = 64 * 1024 * 1024;

/**
 * The bytes of a file, undefined when there is none.
 * @throws INVALID when it is larger than `limit` bytes.
 */
export function readBytes(path: string, limit = largestRecord): Buffer | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw ioError(`read ${path}`, error);
  }
  try {
    return readDescriptor(descriptor, path, limit);
  } catch (error) {
    throw ioError(`read ${path}`, error);
  } finally {
    closeSync(descriptor);
  }
}

function readDescriptor(descriptor: number, path: string, limit: number): Buffer {
  const { size } = fstatSync(descriptor);
  if (size > limit) {
    throw new CoracleError('INVALID', `read ${path}: ${size} bytes, more than the ${limit} allowed`);
  }
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  while (length < size) {
    const count = readSync(descriptor, bytes, length, size - length, null);
    if (count === 0) break;
    length += count;
  }
  return bytes.subarray(0, length);
}

/** What lies in a directory, in no order; nothing where it is not there. @throws IO */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError(`read ${directory}`, error);
  }
}

/**
 * The parsed JSON of a record, undefined when there is no such file. The value is untrusted: a parser of the
 * record's owner turns it into a type.
 * @throws INVALID naming the path when it is no JSON.
 */
export function readJson(path: string, limit = largestRecord): unknown {
  const bytes = readBytes(path, limit);
  if (bytes === undefined) return undefined;
  try {
    return parseJsonText(bytes.toString());
  } catch (error) {
    throw new CoracleError('INVALID', `parse ${path}: not JSON`, { cause: error });
  }
}

/** Waits until the names in a directory are on the disk. */
export function fsyncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a directory and its missing parents. One that is there keeps its mode. */
export function ensureDirectory(path: string, mode = 0o700): void {
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) makeDirectories(path, mode);
  } catch (error) {
    throw ioError(`create directory ${path}`, error);
  }
}

/**
 * Makes a directory and those above it that are missing; others may make them at the same time. Not by Node's recursive
 * mode, which never returns where a file system says ENOENT to a mkdir whose parent is there, as /proc does.
 * @throws as mkdir(2) does
 */
export function makeDirectories(path: string, mode = 0o777): void {
  const parent = dirname(path);
  if (makeOne(path, mode, parent !== path)) return;
  makeDirectories(parent, mode);
  makeOne(path, mode, false);
}

/** False when it is said to lack a parent and that is accepted. */
function makeOne(path: string, mode: number, mayLackParent: boolean): boolean {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (mayLackParent && hasErrno(error, 'ENOENT')) return false;
    if (!hasErrno(error, 'EEXIST') || !statSync(path).isDirectory()) throw error;
  }
  return true;
}
