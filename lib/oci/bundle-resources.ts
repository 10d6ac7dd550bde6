/** What a bundle wants of a cgroup: the member `linux.resources`, as files of cgroup version 2. */
import { isGiven } from './bundle-guards.js';
import { cpuMax, cpuWeight } from './cgroup-values.js';
import {
  invalid,
  optional,
  requireArray,
  requireInteger,
  requireObject,
  requireString,
  requireStringMap,
  type UnknownRecord,
} from './guards.js';

export type BundleResources = {
  /** Names of files and what is written to them, in this order. */
  readonly files: readonly (readonly [name: string, value: string])[];
  /** Names of the limits that stand in the configuration. */
  readonly limits: readonly string[];
  /** Those of them that cgroups of version 2 or we do not have. */
  readonly unsupported: readonly string[];
};

/** Lists of devices with a rate, and the word of it in `io.max`. */
const rates = {
  throttleReadBpsDevice: 'rbps',
  throttleWriteBpsDevice: 'wbps',
  throttleReadIOPSDevice: 'riops',
  throttleWriteIOPSDevice: 'wiops',
} as const;

/** Rules on devices are no limits: a container in a user namespace cannot make a node. */
const known: Readonly<Record<string, readonly string[]>> = {
  memory: ['limit', 'reservation', 'swap', 'checkBeforeUpdate', 'useHierarchy'],
  cpu: ['shares', 'quota', 'period', 'cpus', 'mems'],
  pids: ['limit'],
  blockIO: Object.keys(rates),
};

/** Reads it. @throws INVALID */
export function parseResources(value: unknown, where: string): BundleResources {
  const resources = requireObject(value, where);
  const groups = ['memory', 'cpu', 'pids', 'blockIO', 'hugepageLimits', 'network', 'rdma'];
  const limits = groups.flatMap((group) => limitsOf(resources, group, where));
  const unified = optional(resources.unified, `${where}.unified`, requireStringMap) ?? {};
  for (const name of Object.keys(unified))
    if (!/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(name) || name.startsWith('cgroup.'))
      throw invalid(`${where}.unified`, `${JSON.stringify(name)} is no file of a controller`);
  return {
    files: [...filesOf(resources, where), ...Object.entries(unified)],
    limits: [...limits, ...Object.keys(unified).map((name) => `unified.${name}`)],
    unsupported: limits.filter((name) => !isKnown(name)),
  };
}

function isKnown(name: string): boolean {
  const [group = '', member = ''] = name.split('.');
  return known[group]?.includes(member) === true;
}

function limitsOf(resources: UnknownRecord, group: string, where: string): string[] {
  const given = resources[group];
  if (!isGiven(given)) return [];
  if (Array.isArray(given)) return [group];
  const members = Object.entries(requireObject(given, `${where}.${group}`));
  return members.filter(([, each]) => isLimit(each)).map(([name]) => `${group}.${name}`);
}

function isLimit(value: unknown): boolean {
  return typeof value === 'number' ? value > 0 : isGiven(value);
}

function filesOf(resources: UnknownRecord, where: string): (readonly [string, string])[] {
  const group = (name: string): UnknownRecord => requireObject(resources[name] ?? {}, `${where}.${name}`);
  const number = (record: UnknownRecord, name: string): number | undefined =>
    optional(record[name], `${where}: ${name}`, requireInteger);
  const text = (record: UnknownRecord, name: string): string | undefined =>
    optional(record[name], `${where}: ${name}`, requireString);
  const [memory, cpu, pids] = [group('memory'), group('cpu'), group('pids')];
  return [
    ...file('memory.max', amount(number(memory, 'limit'))),
    ...file('memory.low', amount(number(memory, 'reservation'))),
    ...file('memory.swap.max', swapOf(number(memory, 'limit'), number(memory, 'swap'), where)),
    ...file('pids.max', amount(number(pids, 'limit'))),
    ...file('cpu.weight', weightOf(number(cpu, 'shares'))),
    ...file('cpu.max', timeOf(number(cpu, 'quota'), number(cpu, 'period'))),
    ...file('cpuset.cpus', text(cpu, 'cpus') || undefined),
    ...file('cpuset.mems', text(cpu, 'mems') || undefined),
    ...ratesOf(group('blockIO'), `${where}.blockIO`),
  ];
}

function ratesOf(blockIO: UnknownRecord, where: string): (readonly [string, string])[] {
  return Object.entries(rates).flatMap(([name, word]) => {
    const devices = isGiven(blockIO[name]) ? requireArray(blockIO[name], `${where}.${name}`) : [];
    return devices.map((each, index) => {
      const at = `${where}.${name}[${index}]`;
      const device = requireObject(each, at);
      const [major, minor, rate] = ['major', 'minor', 'rate'].map((key) =>
        requireInteger(device[key], `${at}.${key}`),
      );
      return ['io.max', `${major}:${minor} ${word}=${rate === 0 ? 'max' : rate}`] as const;
    });
  });
}

function file(name: string, value: string | undefined): (readonly [string, string])[] {
  return value === undefined ? [] : [[name, value]];
}

/** 0 says nothing, less than that says no limit; which is what a new cgroup has. */
function amount(value: number | undefined): string | undefined {
  return value === undefined || value <= 0 ? undefined : `${value}`;
}

/** The specification counts memory in, version 2 does not. */
function swapOf(memory: number | undefined, both: number | undefined, where: string): string | undefined {
  if (both === undefined || both <= 0) return undefined;
  if (memory === undefined || memory <= 0 || both < memory)
    throw invalid(`${where}: memory.swap`, `${both} with memory is less than memory.limit, or there is none`);
  return `${both - memory}`;
}

function weightOf(shares: number | undefined): string | undefined {
  return shares === undefined || shares <= 0 ? undefined : `${cpuWeight(shares)}`;
}

function timeOf(quota: number | undefined, period: number | undefined): string | undefined {
  const some = [quota, period].some((value) => value !== undefined && value > 0);
  return some ? cpuMax(quota, period) : undefined;
}
