/** `--memory`, `--cpus` and the other limits of `run`, `create` and `update`. */
import { CoracleError, type ResourceLimits } from '../../lib/index.js';
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
    name: 'require-limits',
    kind: 'switch',
    summary: 'A limit that cannot be applied is an error, not a warning',
  },
] as const satisfies readonly OptionSpec[];

/** Undefined where none is given. @throws USAGE */
export function readLimits(values: Values<typeof limitOptions>): ResourceLimits | undefined {
  const cpus = values.cpus === undefined ? undefined : Number(values.cpus);
  if (cpus !== undefined && !(cpus > 0 && cpus < 1e6))
    throw bad('cpus', values.cpus ?? '', 'a positive number');
  if (cpus !== undefined && values['cpu-quota'] !== undefined) {
    throw new CoracleError('USAGE', 'use --cpus and --cpu-quota: only one of them at a time');
  }
  if (values['memory-swap'] !== undefined && values.memory === undefined) {
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

function list(name: string, text: string | undefined): string | undefined {
  if (text === undefined || /^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) return text;
  throw bad(name, text, 'a list of numbers and ranges');
}

function bad(name: string, value: string | number, expected: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument "${value}" for --${name}: must be ${expected}`);
}
