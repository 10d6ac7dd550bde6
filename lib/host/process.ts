/** Processes of this machine, told apart for good: a pid alone may have been given to another since. */
import { readFileSync } from 'node:fs';
import { hasErrno } from '../errors.js';

let boot: string | undefined;

/** The kernel's name for this boot; records of an earlier one speak of processes that are gone. */
export function bootId(): string {
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return boot;
}

/** When the process started, in clock ticks since boot (field 22 of proc_pid_stat(5)); undefined when there is none. */
export function startTicks(pid: number): number | undefined {
  return readStat(pid)?.start;
}

/** Whether this very process still runs. A zombie does not: it only waits for its parent. */
export function isAlive(pid: number, start: number): boolean {
  const stat = readStat(pid);
  return stat !== undefined && stat.start === start && stat.state !== 'Z' && stat.state !== 'X';
}

function readStat(pid: number): { readonly state: string; readonly start: number } | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name in parentheses may itself hold spaces and parentheses: count from the last one.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const start = Number(fields[19]);
    return Number.isSafeInteger(start) ? { state: fields[0] ?? '', start } : undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}
