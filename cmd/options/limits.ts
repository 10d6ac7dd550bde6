/** `--memory`, `--cpus` and the other limits of `run`, `create` and `update`. */
import {
  type CgroupMode,
  type CgroupRequest,
  CoracleError,
  type DeviceLimit,
  type ResourceLimits,
} from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';
import { readSize } from './run-texts.js';

export const limitOptions = [
  { name: 'memory', short: 'm', kind: 'string', value: 'SIZE', summary: 'Memory it may use' },
  {
    name: 'memory-reservation',
    kind: 'string',
    value: 'SIZE',
    summary: 'Memory it keeps when memory is short',
  },
  {
    name: 'memory-swap',
    kind: 'string',
    value: 'SIZE',
    summary: 'Memory and swap together, -1 for any; with --memory',
  },
  { name: 'cpus', kind: 'string', value: 'N', summary: 'Processors, such as 1.5' },
  {
    name: 'cpu-shares',
    short: 'c',
    kind: 'number',
    value: 'N',
    summary: 'Weight beside others (default: 1024)',
  },
  { name: 'cpu-period', kind: 'number', value: 'MICROSECONDS', summary: 'Period of --cpu-quota' },
  { name: 'cpu-quota', kind: 'number', value: 'MICROSECONDS', summary: 'Processor time in each period' },
  { name: 'cpuset-cpus', kind: 'string', value: 'LIST', summary: 'Processors it runs on, such as 0-2,4' },
  { name: 'cpuset-mems', kind: 'string', value: 'LIST', summary: 'Memory nodes it uses' },
  { name: 'pids-limit', kind: 'number', value: 'N', summary: 'Processes and threads, -1 for any' },
  { name: 'blkio-weight', kind: 'number', value: 'N', summary: 'Weight of its input and output, 10 to 1000' },
  {
    name: 'blkio-weight-device',
    kind: 'list',
    value: 'DEVICE:N',
    summary: 'The same of one block device of this host',
  },
  {
    name: 'device-read-bps',
    kind: 'list',
    value: 'DEVICE:SIZE',
    summary: 'Bytes a second it reads of a disk',
  },
  {
    name: 'device-write-bps',
    kind: 'list',
    value: 'DEVICE:SIZE',
    summary: 'Bytes a second it writes to a disk',
  },
  { name: 'device-read-iops', kind: 'list', value: 'DEVICE:N', summary: 'Reads a second of a disk' },
  { name: 'device-write-iops', kind: 'list', value: 'DEVICE:N', summary: 'Writes a second to a disk' },
  {
    name: 'require-limits',
    kind: 'switch',
    summary: 'A limit that cannot be applied is an error, not a warning',
  },
] as const satisfies readonly OptionSpec[];

/** What is said of the cgroup itself, when it is made. */
export const cgroupOptions = [
  {
    name: 'cgroups',
    kind: 'string',
    value: 'MODE',
    choices: ['enabled', 'disabled', 'no-conmon', 'split'],
    summary:
      'Its cgroup: one in any case, none, one without its supervisor, or a part of the cgroup of the caller (default: where limits need one)',
  },
  {
    name: 'cgroup-parent',
    kind: 'string',
    value: 'SLICE',
    summary: 'Slice of systemd that its cgroup is made in, or a path below /sys/fs/cgroup',
  },
  {
    name: 'cgroup-conf',
    kind: 'list',
    value: 'FILE=VALUE',
    summary: 'Write to a file of its cgroup, such as memory.high=1073741824',
  },
] as const satisfies readonly OptionSpec[];

type LimitValues = Values<typeof limitOptions> & {
  readonly 'cgroup-conf'?: readonly string[] | undefined;
};

/** Undefined where none is given; an update may say half of what belongs together. @throws USAGE */
export function readLimits(values: LimitValues, purpose?: 'update'): ResourceLimits | undefined {
  const cpus = values.cpus === undefined ? undefined : Number(values.cpus);
  if (cpus !== undefined && !(cpus > 0 && cpus < 1e6))
    throw bad('cpus', values.cpus ?? '', 'a positive number');
  if (cpus !== undefined && values['cpu-quota'] !== undefined) {
    throw new CoracleError('USAGE', 'use --cpus and --cpu-quota: only one of them at a time');
  }
  if (values['memory-swap'] !== undefined && values.memory === undefined && purpose !== 'update') {
    throw new CoracleError('USAGE', 'use --memory-swap: it needs --memory');
  }
  const limits: ResourceLimits = {
    memory: size('memory', values.memory),
    'memory-reservation': size('memory-reservation', values['memory-reservation']),
    'memory-swap': values['memory-swap'] === '-1' ? -1 : size('memory-swap', values['memory-swap']),
    cpus,
    'cpu-shares': whole('cpu-shares', values['cpu-shares'], 2, 262_144),
    'cpu-period': whole('cpu-period', values['cpu-period'], 1000, 1_000_000),
    'cpu-quota': whole('cpu-quota', values['cpu-quota'], -1, 1e9),
    'cpuset-cpus': list('cpuset-cpus', values['cpuset-cpus']),
    'cpuset-mems': list('cpuset-mems', values['cpuset-mems']),
    'pids-limit': whole('pids-limit', values['pids-limit'], -1, 4_194_304),
    'blkio-weight': whole('blkio-weight', values['blkio-weight'], 10, 1000),
    'blkio-weight-device': devices('blkio-weight-device', values, (text) => count(text, 10, 1000)),
    'device-read-bps': devices('device-read-bps', values, (text) => readSize('--device-read-bps', text)),
    'device-write-bps': devices('device-write-bps', values, (text) => readSize('--device-write-bps', text)),
    'device-read-iops': devices('device-read-iops', values, (text) => count(text, 1, 1e12)),
    'device-write-iops': devices('device-write-iops', values, (text) => count(text, 1, 1e12)),
    'cgroup-conf': readConf(values['cgroup-conf'] ?? []),
  };
  const { memory, 'memory-swap': swap } = limits;
  if (memory !== undefined && swap !== undefined && swap >= 0 && swap < memory) {
    throw new CoracleError('USAGE', `use --memory-swap ${swap}: it is less than --memory ${memory}`);
  }
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function size(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : readSize(`--${name}`, text);
}

function whole(name: string, value: number | undefined, least: number, most: number): number | undefined {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return value;
  throw bad(name, value, `a whole number from ${least} to ${most}`);
}

type DeviceFlag = 'blkio-weight-device' | `device-${'read' | 'write'}-${'bps' | 'iops'}`;

/** `DEVICE:VALUE`. */
function devices(
  name: DeviceFlag,
  values: LimitValues,
  read: (text: string) => number | undefined,
): readonly DeviceLimit[] | undefined {
  const limits = values[name].map((text) => {
    const colon = text.lastIndexOf(':');
    const value = read(text.slice(colon + 1));
    if (colon > 0 && text.startsWith('/') && value !== undefined)
      return { device: text.slice(0, colon), value };
    throw bad(name, text, 'the path of a block device, a colon and a number');
  });
  return limits.length === 0 ? undefined : limits;
}

function count(text: string, least: number, most: number): number | undefined {
  const value = Number(text);
  return /^\d+$/.test(text) && value >= least && value <= most ? value : undefined;
}

/** `FILE=VALUE`: files of controllers, not those that move or stop processes. */
function readConf(entries: readonly string[]): Readonly<Record<string, string>> | undefined {
  const pairs = entries.map((text) => {
    const [, file, value] = /^([a-z0-9_]+(?:\.[A-Za-z0-9_]+)+)=(.+)$/s.exec(text) ?? [];
    if (file !== undefined && value !== undefined && !file.startsWith('cgroup.'))
      return [file, value] as const;
    throw bad('cgroup-conf', text, 'FILE=VALUE with a file of a controller, such as memory.high=1073741824');
  });
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

/** Undefined where nothing is said of the cgroup itself. */
export function readCgroup(
  values: Values<typeof cgroupOptions>,
): Pick<CgroupRequest, 'mode' | 'parent'> | undefined {
  const { cgroups, 'cgroup-parent': parent } = values;
  if (cgroups === undefined && parent === undefined) return undefined;
  if (parent !== undefined && (cgroups === 'disabled' || cgroups === 'split'))
    throw new CoracleError('USAGE', `use --cgroup-parent with --cgroups ${cgroups}: only one of them`);
  return { mode: cgroups as CgroupMode | undefined, parent };
}

function list(name: string, text: string | undefined): string | undefined {
  if (text === undefined || /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) return text;
  throw bad(name, text, 'a list of numbers and ranges');
}

function bad(name: string, value: string | number, expected: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument "${value}" for --${name}: must be ${expected}`);
}
