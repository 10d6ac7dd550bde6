/** What a cgroup of version 2 says of those in it. */
import { totalmem } from 'node:os';
import { readCgroupFile } from './cgroup.js';

/** What its controllers count; nothing where they are not. */
export type CgroupUsage = {
  readonly cpuSeconds?: number;
  readonly memory?: number;
  readonly memoryLimit?: number;
  readonly pids?: number;
  readonly blockIn?: number;
  readonly blockOut?: number;
};

export function readCgroupUsage(directory: string): CgroupUsage {
  const file = (name: string): string | undefined => readCgroupFile(directory, name);
  return {
    ...processorUsage(file('cpu.stat')),
    ...memoryUsage(file('memory.current'), file('memory.stat'), file('memory.max')),
    ...processUsage(file('pids.current')),
    ...diskUsage(file('io.stat')),
  };
}

/** A line `KEY NUMBER`. */
function counter(text: string, key: string): number {
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

function processorUsage(stat: string | undefined): CgroupUsage {
  return stat === undefined ? {} : { cpuSeconds: counter(stat, 'usage_usec') / 1e6 };
}

/** Files that were read once and can be dropped at once are nobody's need. */
function memoryUsage(
  current: string | undefined,
  stat: string | undefined,
  limit: string | undefined,
): CgroupUsage {
  if (current === undefined) return {};
  const droppable = counter(stat ?? '', 'inactive_file');
  const most = Number(limit ?? Number.NaN);
  return {
    memory: Math.max(0, Number(current) - droppable),
    ...(Number.isNaN(most) ? {} : { memoryLimit: Math.min(most, totalmem()) }),
  };
}

function processUsage(current: string | undefined): CgroupUsage {
  return current === undefined ? {} : { pids: Number(current) };
}

/** A line for each disk: `MAJOR:MINOR rbytes=N wbytes=N ...`. */
function diskUsage(stat: string | undefined): CgroupUsage {
  if (stat === undefined) return {};
  const sum = (key: string): number =>
    [...stat.matchAll(new RegExp(` ${key}=(\\d+)`, 'g'))].reduce(
      (total, [, value]) => total + Number(value),
      0,
    );
  return { blockIn: sum('rbytes'), blockOut: sum('wbytes') };
}
