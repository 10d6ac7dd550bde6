/** This user's processes, from /proc. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno } from '../../lib/errors.js';
import { type Command, sleep } from './command.js';

export type ProcessEntry = {
  readonly pid: number;
  readonly parent: number;
  /** The kernel's name for it, 15 bytes at most. */
  readonly name: string;
  readonly words: readonly string[];
};

/** All processes whose real user is this one; those that end meanwhile are left out. */
export function ownProcesses(): ProcessEntry[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const status = readProc(pid, 'status');
    const words = readProc(pid, 'cmdline');
    if (status === undefined || words === undefined) return [];
    const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
    if (Number(field('Uid')) !== process.getuid?.()) return [];
    const entry = { pid: Number(pid), parent: Number(field('PPid')), name: field('Name') };
    return [{ ...entry, words: words.split('\0').slice(0, -1) }];
  });
}

/** Those that `pid` started, directly or not, without itself. */
export function descendants(pid: number, all: readonly ProcessEntry[]): ProcessEntry[] {
  const children = all.filter(({ parent }) => parent === pid);
  return children.flatMap((child) => [child, ...descendants(child.pid, all)]);
}

/** What stands behind containers: the supervisors above their first processes and all that they started, save the containers' own. */
export function attendants(containers: readonly number[]): ProcessEntry[] {
  const all = ownProcesses();
  const inside = new Set(
    containers.flatMap((pid) => [pid, ...descendants(pid, all).map((entry) => entry.pid)]),
  );
  const roots = new Set(containers.map((pid) => topmost(pid, all)));
  const below = [...roots].flatMap((root) => [root, ...descendants(root, all).map(({ pid }) => pid)]);
  return all.filter(({ pid }) => below.includes(pid) && !inside.has(pid));
}

/** The processes one of whose words names this directory. */
export function processesNaming(directory: string): ProcessEntry[] {
  return ownProcesses().filter(({ words }) => words.some((word) => word.includes(directory)));
}

function topmost(pid: number, all: readonly ProcessEntry[]): number {
  const parent = all.find((entry) => entry.pid === pid)?.parent;
  const above = all.find((entry) => entry.pid === parent);
  return above !== undefined && /^(coracle|conmon)/.test(above.name) ? topmost(above.pid, all) : pid;
}

/** KiB that only this process holds, undefined where the kernel does not tell (or the process is gone). */
export function privateMemory(pid: number): number | undefined {
  const rollup = readProc(`${pid}`, 'smaps_rollup');
  if (rollup === undefined) return undefined;
  const parts = [...rollup.matchAll(/^Private_\w+:\s*(\d+) kB$/gm)];
  return parts.reduce((sum, part) => sum + Number(part[1]), 0);
}

/** KiB of a process that are in memory, shared or not: an upper bound of its private ones, which anyone may read. */
export function residentMemory(pid: number): number | undefined {
  const status = readProc(`${pid}`, 'status');
  const match = status === undefined ? null : /^VmRSS:\s*(\d+) kB$/m.exec(status);
  return match === null ? undefined : Number(match[1]);
}

/**
 * KiB of resident memory that a process and all below it hold together at the worst moment seen, looking every 10 ms.
 * @throws when the command fails.
 */
export function peakMemory({ program, args, env }: Command, workspace: string): number {
  const done = join(workspace, 'ended');
  rmSync(done, { force: true });
  const script = '"$@"; echo $? >"$0.new"; mv "$0.new" "$0"';
  const child = spawn('bash', ['-c', script, done, program, ...args], { env, stdio: 'ignore' });
  let most = 0;
  while (!existsSync(done)) {
    const below = descendants(child.pid ?? 0, ownProcesses());
    most = Math.max(
      most,
      below.reduce((sum, { pid }) => sum + (residentMemory(pid) ?? 0), 0),
    );
    sleep(10);
  }
  const status = readFileSync(done, 'utf8').trim();
  if (status !== '0') throw new Error(`run ${[program, ...args].join(' ')}: exit code ${status}`);
  return most;
}

function readProc(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
