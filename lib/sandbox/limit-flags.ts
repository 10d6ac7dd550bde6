/** `--memory`, `--cpus` and the other limits, from the texts of a command line. */
import { CoracleError } from '../errors.js';
import type { DeviceLimit, ResourceLimits } from './limits.js';
import { parseSize } from './sizes.js';

const listFlags = [
  'blkio-weight-device',
  'device-read-bps',
  'device-write-bps',
  'device-read-iops',
  'device-write-iops',
  'cgroup-conf',
] as const;
type ListFlag = (typeof listFlags)[number];

/** All of them. */
export const limitFlags: readonly (keyof LimitTexts)[] = [
  'memory',
  'memory-reservation',
  'memory-swap',
  'cpus',
  'cpu-shares',
  'cpu-period',
  'cpu-quota',
  'cpuset-cpus',
  'cpuset-mems',
  'pids-limit',
  'blkio-weight',
  ...listFlags,
];

/** By the flags' names. */
export type LimitTexts = {
  readonly [name in Exclude<keyof ResourceLimits, ListFlag>]?: string | number | undefined;
} & { readonly [name in ListFlag]?: readonly string[] | undefined };

/** Undefined where none is given; an update may say half of what belongs together. @throws USAGE */
export function parseLimitFlags(values: LimitTexts, purpose?: 'update'): ResourceLimits | undefined {
  if (values.cpus !== undefined && values['cpu-quota'] !== undefined) {
    throw new CoracleError('USAGE', 'use --cpus and --cpu-quota: only one of them at a time');
  }
  if (values['memory-swap'] !== undefined && values.memory === undefined && purpose !== 'update') {
    throw new CoracleError('USAGE', 'use --memory-swap: it needs --memory');
  }
  const limits: ResourceLimits = {
    memory: size(values, 'memory'),
    'memory-reservation': size(values, 'memory-reservation'),
    'memory-swap': values['memory-swap'] === '-1' ? -1 : size(values, 'memory-swap'),
    cpus: processors(values.cpus),
    'cpu-shares': whole(values, 'cpu-shares', 2, 262_144),
    'cpu-period': whole(values, 'cpu-period', 1000, 1_000_000),
    'cpu-quota': whole(values, 'cpu-quota', -1, 1e9),
    'cpuset-cpus': list(values, 'cpuset-cpus'),
    'cpuset-mems': list(values, 'cpuset-mems'),
    'pids-limit': whole(values, 'pids-limit', -1, 4_194_304),
    'blkio-weight': whole(values, 'blkio-weight', 10, 1000),
    'blkio-weight-device': devices(values, 'blkio-weight-device', (text) => count(text, 10, 1000)),
    'device-read-bps': devices(values, 'device-read-bps', (text) => parseSize(text, '--device-read-bps')),
    'device-write-bps': devices(values, 'device-write-bps', (text) => parseSize(text, '--device-write-bps')),
    'device-read-iops': devices(values, 'device-read-iops', (text) => count(text, 1, 1e12)),
    'device-write-iops': devices(values, 'device-write-iops', (text) => count(text, 1, 1e12)),
    'cgroup-conf': files(values['cgroup-conf'] ?? []),
  };
  const { memory, 'memory-swap': swap } = limits;
  if (memory !== undefined && swap !== undefined && swap >= 0 && swap < memory) {
    throw new CoracleError('USAGE', `use --memory-swap ${swap}: it is less than --memory ${memory}`);
  }
  const given = Object.entries(limits).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function processors(text: string | number | undefined): number | undefined {
  if (text === undefined) return undefined;
  const cpus = Number(text);
  if (cpus > 0 && cpus < 1e6) return cpus;
  throw bad('cpus', text, 'a positive number');
}

type OneFlag = Exclude<keyof LimitTexts, ListFlag>;

function size(values: LimitTexts, name: OneFlag): number | undefined {
  const text = values[name];
  return text === undefined ? undefined : parseSize(`${text}`, `--${name}`);
}

function whole(values: LimitTexts, name: OneFlag, least: number, most: number): number | undefined {
  const text = values[name];
  const value = Number(text);
  if (text === undefined) return undefined;
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw bad(name, text, `a whole number from ${least} to ${most}`);
}

function list(values: LimitTexts, name: OneFlag): string | undefined {
  const text = values[name];
  if (text === undefined || /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(`${text}`)) return text?.toString();
  throw bad(name, text, 'a list of numbers and ranges');
}

/** `DEVICE:VALUE`. */
function devices(
  values: LimitTexts,
  name: ListFlag,
  read: (text: string) => number | undefined,
): readonly DeviceLimit[] | undefined {
  const limits = (values[name] ?? []).map((text) => {
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
function files(entries: readonly string[]): Readonly<Record<string, string>> | undefined {
  const pairs = entries.map((text) => {
    const [, file, value] = /^([a-z0-9_]+(?:\.[A-Za-z0-9_]+)+)=(.+)$/s.exec(text) ?? [];
    if (file !== undefined && value !== undefined && !file.startsWith('cgroup.'))
      return [file, value] as const;
    throw bad('cgroup-conf', text, 'FILE=VALUE with a file of a controller, such as memory.high=1073741824');
  });
  return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
}

function bad(name: string, value: string | number, expected: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument "${value}" for --${name}: must be ${expected}`);
}

/** Whether it may stand more than once. */
export function isListFlag(name: string): name is ListFlag {
  return listFlags.some((flag) => flag === name);
}
