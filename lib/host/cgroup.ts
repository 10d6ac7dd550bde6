/** Control groups of version 2 on this machine: where they are, what is delegated, who manages them. */
import { accessSync, constants, existsSync, readFileSync, statfsSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { parseMountTable } from './mount-table.js';
import type { Environment } from './paths.js';

/** Where the systemd that manages the user's units listens: itself, or on a bus. */
export type UnitManager = { readonly kind: 'private' | 'bus'; readonly socket: string };

export type CgroupFacts = {
  /** Where the hierarchy is mounted. */
  readonly mount: string | undefined;
  /** It has the controllers, as no hierarchy of version 1 is there. */
  readonly pure: boolean;
  /** Our own cgroup in it. */
  readonly own: string;
  readonly manager: UnitManager | undefined;
  /** The directory that systemd has delegated to the user's manager. */
  readonly delegated: string | undefined;
  readonly user: { readonly uid: number; readonly name: string };
};

const cgroup2Magic = 0x6367_7270;

/** The mount points to look at, the usual one and that of hybrid hosts. */
const mountPoints = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'] as const;

/** Where version 2 is mounted; with the controllers, or beside those of version 1, or at some place of somebody's own. */
export function cgroupMount(): string | undefined {
  return mountPoints.find((path) => isCgroup2(path)) ?? mountedElsewhere();
}

function mountedElsewhere(): string | undefined {
  const table = parseMountTable(readFileSync('/proc/self/mountinfo', 'utf8'));
  return table.find(({ type }) => type === 'cgroup2')?.directory;
}

function isCgroup2(path: string): boolean {
  try {
    return statfsSync(path).type === cgroup2Magic;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES')) return false;
    throw ioError(`look at ${path}`, error);
  }
}

/** The cgroup of a process in the hierarchy of version 2. */
export function cgroupOf(pid: number | 'self'): string | undefined {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
}

/** The facts of this machine. */
export function readCgroupFacts(env: Environment): CgroupFacts {
  const { uid, username: name } = userInfo();
  const mount = cgroupMount();
  const user = { uid, name };
  const isHostRoot = user.uid === 0 && isFirstUserNamespace();
  return {
    mount,
    pure: mount === mountPoints[0],
    own: cgroupOf('self') ?? '/',
    manager: unitManager(env, isHostRoot ? '/run' : env.XDG_RUNTIME_DIR || `/run/user/${user.uid}`),
    delegated: mount === undefined ? undefined : delegatedTo(mount, isHostRoot ? undefined : user.uid),
    user,
  };
}

function isFirstUserNamespace(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync('/proc/self/uid_map', 'latin1'));
}

/** Systemd itself where it can be reached: that spares the way over the bus, which may not even run. */
function unitManager(env: Environment, runtime: string): UnitManager | undefined {
  const own = `${runtime}/systemd/private`;
  if (existsSync(own)) return { kind: 'private', socket: own };
  const address = /(?:^|;)unix:(path|abstract)=([^,;]+)/.exec(env.DBUS_SESSION_BUS_ADDRESS ?? '');
  const named = address === null ? undefined : `${address[1] === 'abstract' ? '@' : ''}${address[2]}`;
  const bus = [named, `${runtime}/bus`].find((path) => path?.startsWith('@') || (path && existsSync(path)));
  return bus === undefined || !existsSync(`${runtime}/systemd`) ? undefined : { kind: 'bus', socket: bus };
}

function delegatedTo(mount: string, uid: number | undefined): string | undefined {
  if (uid === undefined) return mount;
  const path = `${mount}/user.slice/user-${uid}.slice/user@${uid}.service`;
  return existsSync(path) ? path : undefined;
}

/** The directory whose controllers those have that we make: what systemd gave, or our own; undefined where we make none. */
export function limitsDirectory({ mount, manager, delegated, own }: CgroupFacts): string | undefined {
  if (mount === undefined) return undefined;
  if (manager !== undefined) return delegated;
  return isWritableCgroup(join(mount, own)) ? join(mount, own) : undefined;
}

/** The controllers that a cgroup can give to those below it. */
export function controllersOf(directory: string): readonly string[] {
  return (readCgroupFile(directory, 'cgroup.controllers') ?? '').split(/\s+/).filter(Boolean);
}

/** A file of a cgroup; undefined where it does not have it. */
export function readCgroupFile(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV', 'EACCES', 'EOPNOTSUPP')) return undefined;
    throw ioError(`read ${join(directory, name)}`, error);
  }
}

/** Whether we may make cgroups there and put our processes into them. */
export function isWritableCgroup(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    accessSync(join(directory, 'cgroup.procs'), constants.W_OK);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'EROFS', 'EPERM')) return false;
    throw ioError(`look at ${directory}`, error);
  }
}

/**
 * The directory, from our own cgroup upwards as far as it is ours to write, below which cgroups with these controllers can be
 * made; its controllers are switched on. One with processes of its own gives none to those below it.
 */
export function parentWith(mount: string, own: string, controllers: readonly string[]): string | undefined {
  const first = join(mount, own);
  for (let at = first; at.startsWith(mount) && isWritableCgroup(at); at = dirname(at))
    if (controllers.every((name) => switchOn(at, name))) return at;
  return undefined;
}

/** Lets those below have a controller; false where they cannot. */
export function switchOn(directory: string, controller: string): boolean {
  const have = (): boolean =>
    (readCgroupFile(directory, 'cgroup.subtree_control') ?? '').split(/\s+/).includes(controller);
  if (have()) return true;
  try {
    writeFileSync(join(directory, 'cgroup.subtree_control'), `+${controller}`);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EACCES', 'EROFS', 'EPERM', 'EBUSY', 'EINVAL', 'EOPNOTSUPP')) return false;
    throw ioError(`switch on ${controller} in ${directory}`, error);
  }
}
