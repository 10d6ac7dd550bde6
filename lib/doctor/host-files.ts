/** Files and programs of the host as `doctor` reads them: what is missing or forbidden is simply not there. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { hasErrno, ioError } from '../errors.js';

/** The trimmed text of a file, undefined when it cannot be read. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR', 'EPERM', 'EISDIR', 'EINVAL')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}

/** The value of a kernel parameter such as `user/max_user_namespaces`. */
export function sysctl(name: string): string | undefined {
  return textOf(`/proc/sys/${name}`);
}

/** Whether a file or device can be read and written. */
export function isAccessible(path: string): boolean {
  return allows(path, constants.R_OK | constants.W_OK);
}

export function exists(path: string): boolean {
  return allows(path, constants.F_OK);
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR', 'EPERM', 'ENXIO', 'ELOOP')) return false;
    throw ioError(`look at ${path}`, error);
  }
}
