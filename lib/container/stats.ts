/** What a container uses, added up over its processes as /proc tells them. */
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

/** Sums at one moment. Counters count since the processes started; those of ended processes are not in them. */
export type UsageSample = {
  /** Seconds since boot. */
  readonly time: number;
  readonly cpuSeconds: number;
  /** Since the container's first process started, in seconds. */
  readonly age: number;
  /** Resident bytes; what processes share counts for each of them. */
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
  const started = Math.min(now, ...processes.map(({ startTicks }) => startTicks / ticksPerSecond));
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
  };
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
