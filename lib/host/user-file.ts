/** Files of the user's home that other programs edit too: changed under a lock, replaced at once, private. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { hasErrno, ioError } from '../errors.js';

/** Changes a file's text, undefined where there is none; its directory is made. Mode 0600. */
export async function editUserFile(
  path: string,
  change: (text: string | undefined) => Promise<string> | string,
): Promise<void> {
  const { default: lockfile } = await import('proper-lockfile');
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const target = throughLink(path);
  const release = await lockfile.lock(target, {
    realpath: false,
    retries: { retries: 20, minTimeout: 50, maxTimeout: 500 },
  });
  try {
    replaceFile(target, await change(readText(target)));
  } finally {
    await release();
  }
}

/** People keep such files elsewhere and link them; the link stays. */
function throughLink(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return path;
    throw ioError(`resolve ${path}`, error);
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}

function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    const descriptor = openSync(temporary, 'wx', 0o600);
    try {
      writeFileSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw ioError(`write ${path}`, error);
  }
}
