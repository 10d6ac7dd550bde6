/** Control groups, made and taken away. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { cgroupOf, readCgroupFacts, type UnitManager } from '../host/cgroup.js';
import { joinScope, makeScope } from '../native/scope.js';
import { type CgroupWish, scopeProperties } from './cgroups.js';

type Files = readonly (readonly [name: string, value: string])[];

const mountPoint = '/sys/fs/cgroup';

/**
 * Makes the cgroup, writes its limits and puts the process into it; its directory, undefined where there is none.
 * @throws HOST, START with what the kernel or systemd said.
 */
export async function enterNewCgroup(
  wish: CgroupWish,
  files: Files,
  pid: number,
): Promise<string | undefined> {
  if (wish.kind === 'none') return undefined;
  const path = wish.kind === 'scope' ? startScope(wish, files, pid) : makeDirectory(wish);
  if (path === undefined) return undefined;
  try {
    enableControllers(path, files);
    for (const [name, value] of files) writeLimit(path, name, value);
    joinCgroup(path, pid);
    return path;
  } catch (error) {
    if (wish.kind === 'directory') await removeCgroup(path);
    throw error;
  }
}

/** Puts a process into a cgroup: by hand, or where that is not ours to do, by the systemd that made the scope. */
export function joinCgroup(path: string, pid: number): void {
  try {
    writeFileSync(join(path, 'cgroup.procs'), `${pid}`);
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM') && path.endsWith('.scope')) return attachToScope(path, pid);
    throw new CoracleError('HOST', `enter cgroup ${path}: ${reasonOf(error)}`, {
      hint: 'a user moves processes only inside what systemd delegated: take --systemd-cgroup, or --cgroup-manager disabled',
      cause: error,
    });
  }
}

function attachToScope(path: string, pid: number): void {
  const fault = joinScope(unitManager(`enter cgroup ${path}`), basename(path), pid);
  if (fault !== undefined) throw new CoracleError('HOST', `enter cgroup ${path}: ${fault}`);
}

const scopeHint = "the user's systemd must run (loginctl enable-linger); or take --cgroup-manager disabled";

function unitManager(act: string): UnitManager {
  const { manager } = readCgroupFacts(process.env);
  if (manager !== undefined) return manager;
  throw new CoracleError('HOST', `${act}: no systemd that manages this user's units`, { hint: scopeHint });
}

function reasonOf(error: unknown): string {
  return ioError('', error).message.replace(/^: /, '');
}

/** Undefined where it may not be made and nothing depends on it. */
function makeDirectory(wish: Extract<CgroupWish, { kind: 'directory' }>): string | undefined {
  try {
    mkdirSync(wish.path, { recursive: true });
    return wish.path;
  } catch (error) {
    if (!wish.needed && hasErrno(error, 'EACCES', 'EROFS', 'EPERM')) return undefined;
    throw new CoracleError('HOST', `create cgroup ${wish.path}: ${reasonOf(error)}`, {
      hint: 'take --systemd-cgroup, or --cgroup-manager disabled (podman run --cgroups=disabled)',
      cause: error,
    });
  }
}

/** Asks for each controller in all directories above; what could not be had shows when a limit is written. */
function enableControllers(path: string, files: Files): void {
  const controllers = [...new Set(files.map(([name]) => name.split('.')[0] ?? ''))];
  const above: string[] = [];
  for (let at = dirname(path); at.startsWith(mountPoint); at = dirname(at)) above.unshift(at);
  for (const directory of above)
    for (const controller of controllers)
      tryWrite(join(directory, 'cgroup.subtree_control'), `+${controller}`);
}

function tryWrite(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

function writeLimit(path: string, name: string, value: string): void {
  const file = join(path, name);
  try {
    if (!existsSync(file))
      throw new CoracleError('HOST', `set ${name}: its controller is not delegated to this user`);
    writeFileSync(file, value);
  } catch (error) {
    throw new CoracleError('HOST', `set limit ${name}=${value} of ${path}: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

const patience = 10_000;

/** A delegated scope with this process in it. It goes by itself when it is empty. */
function startScope(
  { unit, slice }: Extract<CgroupWish, { kind: 'scope' }>,
  files: Files,
  pid: number,
): string {
  const act = `start scope ${unit}`;
  const fault = makeScope(unitManager(act), { unit, slice, pid, properties: scopeProperties(files) });
  if (fault !== undefined) throw new CoracleError('HOST', `${act}: ${fault}`, { hint: scopeHint });
  const found = cgroupOf(pid);
  if (found?.endsWith(`/${unit}`) === true) return join(mountPoint, found);
  throw new CoracleError('HOST', `${act}: systemd did not put the process into it`);
}

/** Pids in a cgroup and below it. */
export function cgroupProcesses(path: string): readonly number[] {
  return directories(path).flatMap((directory) =>
    (readUnlessGone(join(directory, 'cgroup.procs')) ?? '').split('\n').filter(Boolean).map(Number),
  );
}

/** Kills all that is in it, whatever it starts meanwhile. */
export function killCgroup(path: string): void {
  tryWrite(join(path, 'cgroup.kill'), '1');
}

/** Stops or goes on with all that is in it; resolves when that is so. */
export async function freezeCgroup(path: string, frozen: boolean): Promise<void> {
  const wanted = new RegExp(`^frozen ${frozen ? 1 : 0}$`, 'm');
  try {
    writeFileSync(join(path, 'cgroup.freeze'), frozen ? '1' : '0');
  } catch (error) {
    throw ioError(`freeze cgroup ${path}`, error);
  }
  for (const deadline = Date.now() + patience; Date.now() < deadline; await sleep(2))
    if (wanted.test(readUnlessGone(join(path, 'cgroup.events')) ?? '')) return;
  throw new CoracleError('IN_USE', `freeze cgroup ${path}: it takes too long`);
}

/** Kills what is in it and takes it away with what is below it. What does not go in time goes with its last process. */
export async function removeCgroup(path: string): Promise<void> {
  killCgroup(path);
  for (const deadline = Date.now() + 2000; Date.now() < deadline; await sleep(2)) {
    const left = [...directories(path)].reverse().filter((directory) => !removeDirectory(directory));
    if (left.length === 0) return;
  }
}

/** False while something is in it. systemd may be quicker. */
function removeDirectory(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (hasErrno(error, 'EBUSY')) return false;
    if (hasErrno(error, 'ENOENT', 'EACCES', 'EPERM')) return true;
    throw ioError(`remove cgroup ${path}`, error);
  }
}

/** Itself first, then all below. */
function directories(path: string): readonly string[] {
  try {
    const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [path, ...below.flatMap(({ name }) => directories(join(path, name)))];
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV')) return [];
    throw ioError(`read cgroup ${path}`, error);
  }
}

function readUnlessGone(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENODEV')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}
