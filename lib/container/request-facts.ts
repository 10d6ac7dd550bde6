/** What this host has for the mounts that a container asks for, found out when it is made and when it starts. */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { mountOf } from '../host/mount-table.js';
import { fileLabel, selinuxIsOn } from '../host/selinux.js';
import type { Mount, MountManners } from '../sandbox/mount.js';
import type { RequestFacts } from '../sandbox/requested-mount.js';

/** A request as far as it says how something is mounted. */
export type Mannered = MountManners & { readonly destination: string };

/** Finds what a request needs of this host. */
export type MountFacts = (request: Mannered) => RequestFacts;

/** `directory` is the container's; directories for writes are made in it. */
export function mountFacts({
  id,
  directory,
}: {
  readonly id: string;
  readonly directory: string;
}): MountFacts {
  const isOn = selinuxIsOn();
  return (request) => ({
    ...(request.relabel !== undefined && isOn ? { label: fileLabel(request.relabel, id) } : {}),
    ...(request.overlay === undefined ? {} : { upper: upperOf(request, directory) }),
  });
}

function upperOf({ overlay, destination }: Mannered, directory: string): Mount['upper'] {
  if (overlay?.upper !== undefined && overlay.work !== undefined)
    return { directory: overlay.upper, work: overlay.work };
  return writesFor(directory, destination);
}

/** Where the writes to a destination go that is mounted over something read-only. */
export function writesFor(directory: string, destination: string): NonNullable<Mount['upper']> {
  const place = join(directory, 'mounts', encodeURIComponent(destination));
  const upper = { directory: join(place, 'upper'), work: join(place, 'work') };
  try {
    // The upper directory is the root of what is seen: other users of the container may read it.
    mkdirSync(upper.work, { recursive: true, mode: 0o700 });
    mkdirSync(upper.directory, { recursive: true, mode: 0o755 });
    return upper;
  } catch (error) {
    throw ioError(`create ${place}`, error);
  }
}

/** What the host must have for a request. @throws HOST, USAGE, UNSUPPORTED */
export function checkManners(source: string, request: Mannered): void {
  checkPropagation(source, request);
  if (request.relabel !== undefined && selinuxIsOn() && systemDirectories.includes(source)) {
    throw new CoracleError('USAGE', `relabel ${source}: the host needs its labels as they are`, {
      hint: 'leave z and Z out',
    });
  }
  if (request.relabel !== undefined && request.overlay !== undefined && selinuxIsOn()) {
    throw new CoracleError('UNSUPPORTED', `relabel ${source}: what O shows has the labels of the source`);
  }
  for (const path of [request.overlay?.upper, request.overlay?.work])
    if (path !== undefined) isDirectory(path);
}

const systemDirectories = [
  ...['/', '/bin', '/boot', '/dev', '/etc', '/home', '/lib', '/lib64', '/media', '/mnt', '/opt', '/proc'],
  ...['/root', '/run', '/sbin', '/srv', '/sys', '/tmp', '/usr', '/var'],
];

/** What is mounted on the host is seen through a bind only if the host shares it; the kernel would not say a word. */
function checkPropagation(source: string, { propagation = 'private' }: Mannered): void {
  if (!/shared|slave/.test(propagation)) return;
  const mount = mountOf(source);
  const fits = mount === undefined || mount.shared || (mount.slave && propagation.endsWith('slave'));
  if (fits) return;
  throw new CoracleError(
    'HOST',
    `bind ${source} ${propagation}: its mount ${mount.directory} is not shared`,
    {
      hint: `root can share it: mount --make-rshared ${mount.directory}`,
    },
  );
}

/** @throws NOT_FOUND, IO */
export function isDirectory(source: string): boolean {
  try {
    return statSync(source).isDirectory();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw ioError(`bind ${source}`, error);
    throw new CoracleError('NOT_FOUND', `bind ${source}: no such file or directory`, {
      cause: error,
      hint: 'make it first, or use a volume: a name instead of a path',
    });
  }
}
