/** A store with busybox in it, and the processes of its containers as /proc shows them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { hasErrno } from '../../lib/errors.js';
import { type Cli, openCli } from '../helpers/cli.js';
import { writeBusyboxTar } from '../helpers/image.js';

export const image = 'localhost/busybox';

/** A tool whose store holds `localhost/busybox`; `tar` is what it was imported from. */
export async function openStore(
  t: ExecutionContext<unknown>,
): Promise<{ readonly cli: Cli; readonly tar: string }> {
  const cli = openCli(t);
  const tar = writeBusyboxTar(join(cli.directory, 'busybox.tar'));
  await cli.ok(['import', tar, image]);
  return { cli, tar };
}

/** One process at one moment; a pid alone may mean another one later. */
export type Process = {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  readonly start: string;
};

/** Every living process; a zombie that nobody reaps is none. */
function allProcesses(): readonly Process[] {
  return readdirSync('/proc').flatMap((name) =>
    /^\d+$/.test(name) ? (readProcess(Number(name)) ?? []) : [],
  );
}

function readProcess(pid: number): Process | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [from, to] = [text.indexOf('('), text.lastIndexOf(')')];
    const fields = text.slice(to + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, parent: Number(fields[1]), command: text.slice(from + 1, to), start: fields[19] ?? '' };
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

/** A process and all that descend from it. */
export function familyOf(root: number): readonly Process[] {
  const all = allProcesses();
  const family = all.filter(({ pid }) => pid === root);
  for (const member of family) family.push(...all.filter(({ parent }) => parent === member.pid));
  return family;
}

/** Those that still live. */
export function survivors(processes: readonly Process[]): readonly Process[] {
  return processes.filter(({ pid, start }) => readProcess(pid)?.start === start);
}

/** The command line of a process; empty for one that is gone. */
export function argumentsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return [];
    throw error;
  }
}

/** Who is who in a running container. */
export type Roles = {
  readonly supervisor: number;
  readonly infra: number;
  readonly init: number;
  readonly pasta: number | undefined;
  readonly slirp4netns: number | undefined;
  readonly fuse: number | undefined;
  readonly forwarder: number | undefined;
  readonly all: readonly Process[];
};

/** The processes of a running container, found from its supervisor's own record. */
export function rolesOf(cli: Cli, id: string): Roles {
  const live: unknown = JSON.parse(readFileSync(join(cli.root, 'containers', id, 'live'), 'utf8'));
  const supervisor = numberIn(live, 'sv');
  const init = numberIn(live, 'pid');
  const all = familyOf(supervisor);
  const infra = all.find(({ parent }) => parent === supervisor)?.pid;
  if (infra === undefined) throw new Error(`find infra process of ${id}: the supervisor has no child`);
  const named = (pattern: RegExp): number | undefined =>
    all.find(({ command, parent }) => parent === infra && pattern.test(command))?.pid;
  return {
    supervisor,
    infra,
    init,
    pasta: named(/^pas(ta|st)/),
    slirp4netns: named(/^slirp4netns/),
    fuse: named(/^fuse-overlayfs/),
    forwarder: all.find(
      ({ pid, parent, command }) => parent === infra && pid !== init && command.startsWith('coracle'),
    )?.pid,
    all,
  };
}

function numberIn(value: unknown, key: string): number {
  const found = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const entry = found.find(([name]) => name === key)?.[1];
  if (typeof entry === 'number') return entry;
  throw new Error(`read ${key} of ${JSON.stringify(value)}: no number`);
}

/** Waits until a condition holds. @throws after `timeout` milliseconds, with `what` as it is by then. */
export async function until(
  what: string | (() => string),
  condition: () => boolean | Promise<boolean>,
  timeout = 10_000,
): Promise<void> {
  for (const deadline = Date.now() + timeout; !(await condition()); await sleep(30)) {
    if (Date.now() > deadline) {
      throw new Error(`wait until ${typeof what === 'string' ? what : what()}: not within ${timeout} ms`);
    }
  }
}

/** `Exited (137) ...` and the like, as `ps -a` says it; empty for a container that is not there. */
export async function statusOf(cli: Cli, name: string): Promise<string> {
  const lines = (await cli.ok(['ps', '-a', '--format', '{{.Names}}\t{{.Status}}'])).split('\n');
  return lines.find((line) => line.startsWith(`${name}\t`))?.slice(name.length + 1) ?? '';
}

/** What lies in the store and the runtime directory that no container or image needs. */
export function leftovers(cli: Cli): readonly string[] {
  const places = ['root/containers', 'root/containers/.names', 'root/staging', 'root/trash', 'run/coracle/c'];
  return places.flatMap((place) => {
    const names = namesIn(join(cli.directory, place));
    return names.filter((name) => name !== '.names' && name !== 'partial').map((name) => `${place}/${name}`);
  });
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** Mounts of this namespace below the tool's directory: there must never be one. */
export function mountsBelow(directory: string): readonly string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.filter((line) => line.includes(directory));
}
