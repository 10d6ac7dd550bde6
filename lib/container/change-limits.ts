/** Limits of a container that runs, changed in the files of its cgroup. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { deviceNumbers } from '../sandbox/cgroup-place.js';
import { applicable, limitNames, limitSettings, type ResourceLimits } from '../sandbox/limits.js';

/**
 * Writes what `change` says, as the limits that hold all together make it; what could not be written now is told.
 * @throws HOST with what the kernel says
 */
export function changeLimits(
  name: string,
  cgroup: string | undefined,
  all: ResourceLimits,
  change: ResourceLimits,
): readonly string[] {
  if (cgroup === undefined)
    return [`update container ${name}: it runs without a cgroup, the limits hold from its next start`];
  const changed = new Set<string>(limitNames(change));
  // Some flags are one file together.
  const together = [
    ['memory', 'memory-swap'],
    ['cpus', 'cpu-quota', 'cpu-period'],
  ].filter((group) => group.some((flag) => changed.has(flag)));
  for (const flag of together.flat()) changed.add(flag);
  const settings = limitSettings(all, deviceNumbers).filter(({ flag }) => changed.has(flag));
  const { files, missing } = applicable(settings, (each) => existsSync(join(cgroup, each)));
  for (const [file, value] of files) write(name, join(cgroup, file), value);
  return missing.map(
    ({ flag, file }) =>
      `update container ${name}: its cgroup has no ${file}, --${flag} holds from its next start`,
  );
}

function write(name: string, path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch (error) {
    const reason = ioError('', error).message.replace(/^: /, '');
    throw new CoracleError('HOST', `update container ${name}: write ${value} to ${path}: ${reason}`, {
      cause: error,
    });
  }
}
