/**
 * This machine as the tests see it: where the repository lies, directories that vanish after a test, and
 * what is missing, in words (for `testWith`). Works outside of ava as well.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { hasErrno } from '../../lib/errors.js';
import { cgroupMount, cgroupOf, isWritableCgroup } from '../../lib/host/cgroup.js';

/** The repository's top directory, also when the tests were compiled to a directory elsewhere that links its node_modules. */
export function repositoryRoot(): string {
  for (let directory = import.meta.dirname; ; directory = dirname(directory)) {
    const modules = join(directory, 'node_modules');
    if (existsSync(modules)) return dirname(realpathSync(modules));
    if (directory === dirname(directory))
      throw new Error(`find repository: no node_modules above ${import.meta.dirname}`);
  }
}

/** A path below test/fixtures. */
export function fixturePath(...parts: readonly string[]): string {
  return join(repositoryRoot(), 'test', 'fixtures', ...parts);
}

/** An empty 0700 directory with a short path (sockets allow 107 bytes) that is removed when the test ends, foreign-owned files included. */
export function temporaryDirectory(t: Pick<ExecutionContext<unknown>, 'teardown'>): string {
  const directory = mkdtempSync(join(tmpdir(), 'c-'));
  t.teardown(() => removeTree(directory));
  return directory;
}

/**
 * Removes a tree. What belongs to subordinate ids is removed by a root of a user namespace that maps them.
 * @throws when something stays, with what refused.
 */
export function removeTree(directory: string): void {
  try {
    rmSync(directory, { recursive: true, force: true });
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY', 'ENOTDIR')) throw error;
    const mapped = spawnSync(
      'unshare',
      ['--user', '--map-root-user', '--map-auto', 'rm', '-rf', '--', directory],
      {
        encoding: 'utf8',
      },
    );
    if (mapped.status !== 0)
      throw new Error(`remove ${directory}: ${mapped.stderr.trim()}`, { cause: error });
  }
}

/** What is missing, or undefined when it is there. */
export type Missing = string | undefined;

export function missingProgram(name: string): Missing {
  return findProgram(name) === undefined ? `no ${name} on this machine` : undefined;
}

/** The path of an executable in PATH or the system directories, undefined when there is none. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  return allows(path, constants.X_OK);
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EPERM')) return false;
    throw error;
  }
}

export function missingDevice(path: '/dev/fuse' | '/dev/net/tun'): Missing {
  return allows(path, constants.R_OK | constants.W_OK) ? undefined : `${path} is not readable and writable`;
}

/** Whether this user can make a user namespace with the whole of its subordinate ids. */
export function missingUserNamespaces(): Missing {
  const { username, uid } = userInfo();
  for (const file of ['/etc/subuid', '/etc/subgid']) {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    if (!lines.some((line) => [username, `${uid}`].includes(line.split(':')[0] ?? ''))) {
      return `${username} has no range in ${file}`;
    }
  }
  const probe = spawnSync('unshare', ['--user', '--map-root-user', '--map-auto', 'true'], {
    encoding: 'utf8',
  });
  return probe.status === 0 ? undefined : `user namespaces are refused: ${probe.stderr.trim()}`;
}

/** The part of a hierarchy of version 2 that is ours to divide, beside the leaf that we are in; undefined without one. */
export function ownCgroup(): string | undefined {
  const mount = cgroupMount();
  const parent = mount === undefined ? undefined : join(mount, dirname(cgroupOf('self') ?? '/'));
  return parent !== undefined && isWritableCgroup(parent) ? parent : undefined;
}

export function missingOwnCgroup(): Missing {
  return ownCgroup() === undefined ? 'no cgroup that is ours to divide' : undefined;
}

export function missingCgroup2(): Missing {
  return cgroupMount() === undefined ? 'no hierarchy of cgroup version 2' : undefined;
}

/** Whether the user's systemd makes scopes in a hierarchy of cgroup version 2 alone. */
export function missingScopes(): Missing {
  if (!existsSync('/sys/fs/cgroup/cgroup.controllers')) return 'no hierarchy of cgroup version 2 alone';
  const probe = spawnSync('systemd-run', ['--user', '--scope', '--quiet', 'true'], { encoding: 'utf8' });
  return probe.status === 0 ? undefined : `the user's systemd makes no scopes: ${probe.stderr?.trim() ?? ''}`;
}

/** Whether this user may set limits of these controllers in a scope of its own. */
export function missingControllers(...names: readonly string[]): Missing {
  const scopes = missingScopes();
  if (scopes !== undefined) return scopes;
  const words = ['--user', '--scope', '--quiet', '-p', 'Delegate=yes', 'sh', '-c'];
  const script = 'cat "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/cgroup.controllers"';
  const found = spawnSync('systemd-run', [...words, script], { encoding: 'utf8' }).stdout.split(/\s+/);
  const lacking = names.filter((name) => !found.includes(name));
  return lacking.length === 0 ? undefined : `this user gets no controllers ${lacking.join(', ')}`;
}

/** Whether the command line tool is built. */
export function missingCli(): Missing {
  return existsSync(join(repositoryRoot(), 'dist', 'coracle')) ? undefined : 'dist/coracle is not built';
}
