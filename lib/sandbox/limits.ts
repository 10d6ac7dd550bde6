/** Limits of what a container or a step of a build may use, by the names of their flags, and the files of a cgroup that they are. */
import { cpuMax, cpuWeight, ioWeight } from '../oci/cgroup-values.js';

/** A rate, or a weight, of a block device of this host. */
export type DeviceLimit = { readonly device: string; readonly value: number };

/** Bytes, CPUs, counts and lists as the flags have them. */
export type ResourceLimits = {
  readonly memory?: number | undefined;
  readonly 'memory-reservation'?: number | undefined;
  /** Memory and swap together; -1 unlimited. As much swap as memory, where only that is given. */
  readonly 'memory-swap'?: number | undefined;
  readonly cpus?: number | undefined;
  readonly 'cpu-shares'?: number | undefined;
  /** Microseconds. */
  readonly 'cpu-period'?: number | undefined;
  readonly 'cpu-quota'?: number | undefined;
  readonly 'cpuset-cpus'?: string | undefined;
  readonly 'cpuset-mems'?: string | undefined;
  /** -1 and 0: unlimited. */
  readonly 'pids-limit'?: number | undefined;
  readonly 'blkio-weight'?: number | undefined;
  readonly 'blkio-weight-device'?: readonly DeviceLimit[] | undefined;
  /** Bytes, or operations, a second. */
  readonly 'device-read-bps'?: readonly DeviceLimit[] | undefined;
  readonly 'device-write-bps'?: readonly DeviceLimit[] | undefined;
  readonly 'device-read-iops'?: readonly DeviceLimit[] | undefined;
  readonly 'device-write-iops'?: readonly DeviceLimit[] | undefined;
  /** Files of the cgroup, and what is written into them. */
  readonly 'cgroup-conf'?: Readonly<Record<string, string>> | undefined;
};

export type LimitName = keyof ResourceLimits;

/** What is written into which file for a flag; of several files, the first that is there. */
export type LimitSetting = {
  readonly flag: LimitName;
  readonly files: readonly CgroupFile[];
  /** Nobody asked for it: it is left out where it cannot be had. */
  readonly implied?: boolean;
};

/** Name and value. */
export type CgroupFile = readonly [name: string, value: string];

/** `MAJOR:MINOR` of a block device's path. */
export type DeviceNumbers = (path: string) => string;

/** The names of the limits that were asked for. */
export function limitNames(limits: ResourceLimits): readonly LimitName[] {
  return Object.entries(limits)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name as LimitName);
}

/** All settings of the limits, in the order in which they are written. */
export function limitSettings(limits: ResourceLimits, numbers: DeviceNumbers): readonly LimitSetting[] {
  return [
    ...memorySettings(limits),
    ...cpuSettings(limits),
    ...one('cpuset-cpus', limits['cpuset-cpus'], (list) => [['cpuset.cpus', list]]),
    ...one('cpuset-mems', limits['cpuset-mems'], (list) => [['cpuset.mems', list]]),
    ...one('pids-limit', limits['pids-limit'], (count) => [['pids.max', count > 0 ? `${count}` : 'max']]),
    ...one('blkio-weight', limits['blkio-weight'], weightFiles),
    ...deviceSettings(limits, numbers),
    ...Object.entries(limits['cgroup-conf'] ?? {}).map(
      (file): LimitSetting => ({ flag: 'cgroup-conf', files: [file] }),
    ),
  ];
}

function one<T>(
  flag: LimitName,
  value: T | undefined,
  files: (value: T) => readonly CgroupFile[],
): readonly LimitSetting[] {
  return value === undefined ? [] : [{ flag, files: files(value) }];
}

function memorySettings(limits: ResourceLimits): readonly LimitSetting[] {
  const { memory, 'memory-reservation': reservation, 'memory-swap': both } = limits;
  const swap = both === undefined ? memory : both < 0 ? undefined : both - (memory ?? 0);
  const isImplied = both === undefined;
  return [
    ...one('memory', memory, (bytes) => [['memory.max', `${bytes}`]]),
    ...one('memory-reservation', reservation, (bytes) => [['memory.low', `${bytes}`]]),
    ...(memory === undefined && both === undefined
      ? []
      : [
          {
            flag: isImplied ? ('memory' as const) : ('memory-swap' as const),
            files: [['memory.swap.max', swap === undefined ? 'max' : `${swap}`] as const],
            implied: isImplied,
          },
        ]),
  ];
}

const usualPeriod = 100_000;

function cpuSettings(limits: ResourceLimits): readonly LimitSetting[] {
  const { cpus, 'cpu-shares': shares, 'cpu-period': period, 'cpu-quota': quota } = limits;
  const flag = cpus !== undefined ? 'cpus' : quota !== undefined ? 'cpu-quota' : 'cpu-period';
  const time = cpus === undefined ? quota : Math.round(cpus * (period ?? usualPeriod));
  return [
    ...one('cpu-shares', shares, (value) => [['cpu.weight', `${cpuWeight(value)}`]]),
    ...(time === undefined && period === undefined
      ? []
      : [{ flag, files: [['cpu.max', cpuMax(time, period)] as const] } as const]),
  ];
}

/** BFQ's own file where it schedules; what the kernel has for other disks else. */
function weightFiles(weight: number, device = 'default'): readonly CgroupFile[] {
  return [
    ['io.bfq.weight', `${device} ${weight}`],
    ['io.weight', `${device} ${ioWeight(weight)}`],
  ];
}

function deviceSettings(limits: ResourceLimits, numbers: DeviceNumbers): readonly LimitSetting[] {
  const rates = [
    ['device-read-bps', 'rbps'],
    ['device-write-bps', 'wbps'],
    ['device-read-iops', 'riops'],
    ['device-write-iops', 'wiops'],
  ] as const;
  return [
    ...(limits['blkio-weight-device'] ?? []).map(
      ({ device, value }): LimitSetting => ({
        flag: 'blkio-weight-device',
        files: weightFiles(value, numbers(device)),
      }),
    ),
    ...rates.flatMap(([flag, word]) =>
      (limits[flag] ?? []).map(
        ({ device, value }): LimitSetting => ({
          flag,
          files: [['io.max', `${numbers(device)} ${word}=${value > 0 ? value : 'max'}`]],
        }),
      ),
    ),
  ];
}

/** What can be set, and the flags of what cannot, with the file that is missing. */
export type AppliedLimits = {
  readonly files: readonly CgroupFile[];
  readonly missing: readonly { readonly flag: LimitName; readonly file: string }[];
};

/** Divides the settings by the files that a cgroup would have. */
export function applicable(
  settings: readonly LimitSetting[],
  offers: (file: string) => boolean,
): AppliedLimits {
  const chosen = settings.map((setting) => ({
    ...setting,
    file: setting.files.find(([name]) => offers(name)),
  }));
  return {
    files: chosen.flatMap(({ file }) => (file === undefined ? [] : [file])),
    missing: chosen.flatMap(({ flag, file, files, implied }) =>
      file === undefined && implied !== true ? [{ flag, file: files.at(-1)?.[0] ?? '' }] : [],
    ),
  };
}

/** The controllers that the settings need. */
export function controllersFor(settings: readonly LimitSetting[]): readonly string[] {
  return [...new Set(settings.flatMap(({ files }) => files.map(([name]) => controllerOf(name))))];
}

export function controllerOf(file: string): string {
  return file.split('.')[0] ?? '';
}
