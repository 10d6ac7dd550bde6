/** `--memory`, `--cpus` and the other limits of `run`, `create` and `update`. */
import {
  type CgroupMode,
  type CgroupRequest,
  CoracleError,
  parseLimitFlags,
  type ResourceLimits,
} from '../../lib/index.js';
import type { OptionSpec, Values } from '../command.js';

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

/** Undefined where none is given; an update may say half of what belongs together. @throws USAGE */
export function readLimits(
  values: Partial<Values<typeof limitOptions> & Values<typeof cgroupOptions>>,
  purpose?: 'update',
): ResourceLimits | undefined {
  return parseLimitFlags(values, purpose);
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
