/** Cgroups whose supervisor was killed before it took them away. Those that systemd made, it takes away itself. */
import { readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { writeFileAtomic } from './files.js';

const noteName = 'cgroup';
const tries = 20;
const pause = 5;

/** Notes in a directory which cgroup what runs there has, before it is made. */
export function noteCgroup(directory: string, cgroup: string): void {
  writeFileAtomic(join(directory, noteName), `${cgroup}\n`);
}

/** Removes the cgroups noted in the directories below this one. */
export function removeNotedCgroups(directory: string): void {
  for (const name of namesIn(directory)) {
    const cgroup = readNote(join(directory, name, noteName));
    if (cgroup !== undefined && basename(cgroup).startsWith('coracle-')) removeCgroup(cgroup);
  }
}

/** Removes a cgroup; whoever is in it still is ended first. Where it is not ours to remove, it stays. */
export function removeCgroup(cgroup: string): void {
  for (let left = tries; left > 0; left--) {
    try {
      rmdirSync(cgroup);
      return;
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ENOTEMPTY', 'EROFS')) return;
      if (!hasErrno(error, 'EBUSY')) throw ioError(`remove cgroup ${cgroup}`, error);
    }
    endProcesses(cgroup);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
  }
}

/** Linux before 5.14 cannot. */
function endProcesses(cgroup: string): void {
  try {
    writeFileSync(join(cgroup, 'cgroup.kill'), '1', { flag: 'r+' });
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ENODEV', 'EOPNOTSUPP')) {
      throw ioError(`end what is left in ${cgroup}`, error);
    }
  }
}

function readNote(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim() || undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR', 'EACCES')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw ioError(`read ${directory}`, error);
  }
}
