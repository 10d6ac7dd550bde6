/** What /proc tells everybody about a process; proc(5). Nothing of the process's own namespaces is run or opened (S35). */
import { readFileSync } from 'node:fs';
import { hasErrno } from '../errors.js';

/** Ticks a second in /proc: USER_HZ, the same on every Linux. */
export const ticksPerSecond = 100;
const pageSize = 4096;

export type ProcessFacts = {
  readonly pid: number;
  /** In its own pid namespace, the innermost one. */
  readonly innerPid: number;
  readonly parent: number;
  readonly group: number;
  /** Letter of proc_pid_stat(5). */
  readonly state: string;
  readonly nice: number;
  readonly threads: number;
  /** The terminal's device number; 0 for none. */
  readonly tty: number;
  /** Processor time, ticks. */
  readonly userTicks: number;
  readonly systemTicks: number;
  /** Ticks since boot. */
  readonly startTicks: number;
  /** Bytes. */
  readonly virtual: number;
  readonly resident: number;
  readonly command: string;
  readonly arguments: readonly string[];
  /** Fields of proc_pid_status(5). */
  readonly status: ReadonlyMap<string, string>;
};

/** Undefined for a process that is gone. */
export function readProcessFacts(pid: number): ProcessFacts | undefined {
  const [stat, status, line] = ['stat', 'status', 'cmdline'].map((name) =>
    readUnlessGone(`/proc/${pid}/${name}`),
  );
  if (stat === undefined || status === undefined || line === undefined) return undefined;
  const end = stat.lastIndexOf(')');
  const command = stat.slice(stat.indexOf('(') + 1, end);
  // Field 3 of the manual page is the first one here.
  const field = stat
    .slice(end + 2)
    .trim()
    .split(' ');
  const number = (name: number): number => Number(field[name - 3] ?? 0);
  const fields = new Map(
    status.split('\n').flatMap((text): [string, string][] => {
      const colon = text.indexOf(':');
      return colon < 0 ? [] : [[text.slice(0, colon), text.slice(colon + 1).trim()]];
    }),
  );
  const words = line.split('\0').filter((_, index, all) => index < all.length - 1);
  return {
    pid,
    innerPid: Number((fields.get('NSpid') ?? `${pid}`).split(/\s+/).at(-1)),
    parent: number(4),
    group: number(5),
    state: field[0] ?? '?',
    nice: number(19),
    threads: number(20),
    tty: number(7),
    userTicks: number(14),
    systemTicks: number(15),
    startTicks: number(22),
    virtual: number(23),
    resident: number(24) * pageSize,
    command,
    arguments: words.length > 0 ? words : [`[${command}]`],
    status: fields,
  };
}

/** Bytes it read from and wrote to disks; nothing where we may not know. */
export function readProcessIo(pid: number): { readonly read: number; readonly written: number } {
  const text = readUnlessGone(`/proc/${pid}/io`) ?? '';
  const value = (name: string): number => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return { read: value('read_bytes'), written: value('write_bytes') };
}

/** Bytes in and out over all interfaces of its network but loopback; proc_pid_net_dev(5). */
export function readProcessNetwork(pid: number): { readonly received: number; readonly sent: number } {
  const lines = (readUnlessGone(`/proc/${pid}/net/dev`) ?? '').split('\n').slice(2);
  let [received, sent] = [0, 0];
  for (const line of lines) {
    const [name = '', counters = ''] = line.split(':');
    if (name.trim() === 'lo' || counters === '') continue;
    const numbers = counters.trim().split(/\s+/).map(Number);
    received += numbers[0] ?? 0;
    sent += numbers[8] ?? 0;
  }
  return { received, sent };
}

/** Seconds since the machine started. */
export function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
}

function readUnlessGone(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
