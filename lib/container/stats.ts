/** What a container uses: as its cgroup tells, or added up over its processes as /proc tells them. */
import { totalmem } from 'node:os';
import {
  readProcessFacts,
  readProcessIo,
  readProcessNetwork,
  ticksPerSecond,
  uptime,
} from '../host/process-facts.js';
import { containerProcesses } from './questions.js';
import type { ContainerStores } from './stores.js';
import type { ContainerView } from './view.js';

/** Sums at one moment. Counters count since the processes started; without a cgroup, those of ended processes are not in them. */
export type UsageSample = {
  /** Seconds since boot. */
  readonly time: number;
  readonly cpuSeconds: number;
  /** Since the container's first process started, in seconds. */
  readonly age: number;
  /** Bytes of the cgroup without files that can be dropped; else resident bytes, what processes share counting for each. */
  readonly memory: number;
  readonly memoryLimit: number;
  /** Threads, as a limit of pids counts them. */
  readonly pids: number;
  readonly networkIn: number;
  readonly networkOut: number;
  readonly blockIn: number;
  readonly blockOut: number;
};

/** One container's line. */
export type ContainerUsage = UsageSample & {
  readonly id: string;
  readonly name: string;
  /** Share of one processor since the sample before, or since the start, in percent. */
  readonly cpuPercent: number;
  /** The share since the start. */
  readonly cpuAverage: number;
  readonly memoryPercent: number;
};

/** Takes a sample. @throws CONFLICT when the container does not run. */
export async function sampleUsage(stores: ContainerStores, view: ContainerView): Promise<UsageSample> {
  const pids = await containerProcesses(stores, view);
  const processes = pids.flatMap((pid) => readProcessFacts(pid) ?? []);
  const first = view.live?.pid ?? 0;
  const network = view.record.network === 'host' ? { received: 0, sent: 0 } : readProcessNetwork(first);
  const disks = pids.map(readProcessIo);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const now = uptime();
  const usage = view.live?.cgroup === undefined ? {} : await cgroupUsage(view.live.cgroup);
  // The cgroup is as old as the supervisor, and counts through restarts.
  const since = usage.cpuSeconds === undefined ? undefined : view.live?.supervisorStart;
  const started = Math.min(now, ...(since === undefined ? processes.map(startOf) : [since / ticksPerSecond]));
  return {
    time: now,
    cpuSeconds: sum(processes.map(({ userTicks, systemTicks }) => userTicks + systemTicks)) / ticksPerSecond,
    age: now - started,
    memory: sum(processes.map(({ resident }) => resident)),
    memoryLimit: totalmem(),
    pids: sum(processes.map(({ threads }) => threads)),
    networkIn: network.received,
    networkOut: network.sent,
    blockIn: sum(disks.map(({ read }) => read)),
    blockOut: sum(disks.map(({ written }) => written)),
    ...usage,
  };
}

function startOf({ startTicks }: { readonly startTicks: number }): number {
  return startTicks / ticksPerSecond;
}

async function cgroupUsage(cgroup: string): Promise<Partial<UsageSample>> {
  const { readCgroupUsage } = await import('../host/cgroup-usage.js');
  return readCgroupUsage(cgroup);
}

/** The line of a container from its sample and the one before. Pure. */
export function usageOf(
  { record }: Pick<ContainerView, 'record'>,
  sample: UsageSample,
  before: UsageSample | undefined,
): ContainerUsage {
  const average = sample.age > 0 ? (100 * sample.cpuSeconds) / sample.age : 0;
  const elapsed = before === undefined ? 0 : sample.time - before.time;
  const used = before === undefined ? 0 : sample.cpuSeconds - before.cpuSeconds;
  return {
    ...sample,
    id: record.id,
    name: record.name,
    cpuPercent: elapsed > 0 ? Math.max(0, (100 * used) / elapsed) : average,
    cpuAverage: average,
    memoryPercent: (100 * sample.memory) / sample.memoryLimit,
  };
}
