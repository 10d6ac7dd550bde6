/** Where an archive goes: a file that is replaced at once when it is complete, or standard output. */
import { write as writeCallback } from 'node:fs';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { EarlySync, writeStream } from './gathered-write.js';
import { giveBack } from './lent.js';
import { randomHex } from './random.js';

/** Writes a stream to a path, or to standard output for `-`. A file that was there stays until the new one is complete. Lent pieces are given back. */
export async function writeOutput(destination: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  if (destination === '-') return writeStandardOutput(bytes);
  const found = await statOrNothing(destination);
  if (found?.isDirectory()) throw new CoracleError('USAGE', `write ${destination}: it is a directory`);
  if (found !== undefined && !found.isFile()) return writeInPlace(destination, bytes);
  return replaceFile(destination, bytes);
}

async function replaceFile(destination: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const temporary = join(dirname(destination), `.${basename(destination)}.${randomHex(6)}`);
  try {
    const file = await openTarget(temporary, 'wx', destination);
    const sync = new EarlySync(file);
    try {
      await writeStream(file, bytes, `write ${destination}`, sync);
      await sync.finish();
    } finally {
      await sync.settle();
      await file.close();
    }
    await rename(temporary, destination);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Pipes and devices cannot be replaced. */
async function writeInPlace(destination: string, bytes: AsyncIterable<Buffer>): Promise<void> {
  const file = await openTarget(destination, 'w', destination);
  try {
    await writeStream(file, bytes, `write ${destination}`);
  } finally {
    await file.close();
  }
}

async function openTarget(path: string, flags: string, destination: string): Promise<FileHandle> {
  try {
    return await open(path, flags, 0o644);
  } catch (error) {
    throw ioError(`write ${destination}`, error);
  }
}

async function writeStandardOutput(bytes: AsyncIterable<Buffer>): Promise<void> {
  if (isatty(1)) {
    throw new CoracleError('USAGE', 'write archive: standard output is a terminal', {
      hint: 'redirect it, or name a file with -o',
    });
  }
  const write = promisify(writeCallback);
  for await (const chunk of bytes) {
    for (let done = 0; done < chunk.length; ) {
      try {
        done += (await write(1, chunk, done)).bytesWritten;
      } catch (error) {
        if (!hasErrno(error, 'EAGAIN')) throw ioError('write standard output', error);
        // a pipe somebody made non-blocking is full
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    }
    giveBack(chunk);
  }
}

async function statOrNothing(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw ioError(`write ${path}`, error);
  }
}
