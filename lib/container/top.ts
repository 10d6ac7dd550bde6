/** `top`: the processes of a container in columns, by the format words of ps(1) that podman knows. */
import { CoracleError } from '../errors.js';
import { type IdMap, toContainerId } from '../host/id-map.js';
import { type ProcessFacts, readProcessFacts, ticksPerSecond, uptime } from '../host/process-facts.js';
import { capabilityName } from '../sandbox/capabilities.js';

/** A table: headings, then a row a process in the order of their pids. */
export type ProcessTable = {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
};

/** What columns are made of beyond the process itself. */
export type TopFacts = {
  readonly idMap: IdMap;
  /** The container's own account files. */
  readonly userName: (uid: number) => string;
  readonly groupName: (gid: number) => string;
  /** Of this host. */
  readonly hostUserName: (uid: number) => string;
  readonly hostGroupName: (gid: number) => string;
  /** Seconds since boot. */
  readonly uptime: number;
  /** From pids of this host to those in the container. */
  readonly innerPids: ReadonlyMap<number, number>;
};

type Column = { readonly title: string; readonly value: (process: ProcessFacts, facts: TopFacts) => string };

export const defaultTopColumns = ['user', 'pid', 'ppid', 'pcpu', 'etime', 'tty', 'time', 'args'];

/** Words of each column a format may name. */
export const topColumns: Readonly<Record<string, Column>> = {
  args: { title: 'COMMAND', value: (process) => process.arguments.join(' ') },
  capamb: { title: 'AMBIENT CAPS', value: capabilities('CapAmb') },
  capbnd: { title: 'BOUNDING CAPS', value: capabilities('CapBnd') },
  capeff: { title: 'EFFECTIVE CAPS', value: capabilities('CapEff') },
  capinh: { title: 'INHERITED CAPS', value: capabilities('CapInh') },
  capprm: { title: 'PERMITTED CAPS', value: capabilities('CapPrm') },
  comm: { title: 'COMMAND', value: ({ command }) => command },
  etime: { title: 'ELAPSED', value: (process, facts) => durationText(elapsed(process, facts)) },
  group: { title: 'GROUP', value: (process, facts) => facts.groupName(innerId(process, 'Gid', 1, facts)) },
  rgroup: { title: 'RGROUP', value: (process, facts) => facts.groupName(innerId(process, 'Gid', 0, facts)) },
  hgroup: { title: 'HGROUP', value: (process, facts) => facts.hostGroupName(id(process, 'Gid', 1)) },
  hpid: { title: 'HPID', value: ({ pid }) => `${pid}` },
  huser: { title: 'HUSER', value: (process, facts) => facts.hostUserName(id(process, 'Uid', 1)) },
  nice: { title: 'NI', value: ({ nice }) => `${nice}` },
  pcpu: {
    title: '%CPU',
    value: (process, facts) => {
      const seconds = elapsed(process, facts);
      return (seconds > 0 ? (100 * busySeconds(process)) / seconds : 0).toFixed(3);
    },
  },
  pgid: { title: 'PGID', value: ({ group }, { innerPids }) => `${innerPids.get(group) ?? 0}` },
  pid: { title: 'PID', value: ({ innerPid }) => `${innerPid}` },
  ppid: { title: 'PPID', value: ({ parent }, { innerPids }) => `${innerPids.get(parent) ?? 0}` },
  seccomp: {
    title: 'SECCOMP',
    value: ({ status }) => ['disabled', 'strict', 'filter'][Number(status.get('Seccomp'))] ?? '?',
  },
  state: { title: 'STATE', value: ({ state }) => state },
  time: { title: 'TIME', value: (process) => durationText(busySeconds(process)) },
  tty: { title: 'TTY', value: ({ tty }) => terminalText(tty) },
  user: { title: 'USER', value: (process, facts) => facts.userName(innerId(process, 'Uid', 1, facts)) },
  ruser: { title: 'RUSER', value: (process, facts) => facts.userName(innerId(process, 'Uid', 0, facts)) },
  vsz: { title: 'VSZ', value: (process) => `${Math.round(process.virtual / 1024)}` },
  rss: { title: 'RSS', value: (process) => `${Math.round(process.resident / 1024)}` },
};

/** Columns of a format: names apart by commas or blanks, `%cpu` for pcpu as ps has it. @throws USAGE */
export function parseTopFormat(words: readonly string[]): readonly string[] {
  const names = words.flatMap((word) => word.split(/[\s,]+/)).filter((name) => name !== '');
  const unknown = names.find((name) => topColumns[canonical(name)] === undefined);
  if (unknown !== undefined) {
    throw new CoracleError('USAGE', `show processes by "${unknown}": no such column`, {
      hint: `columns: ${Object.keys(topColumns).join(', ')}`,
    });
  }
  return names.length === 0 ? defaultTopColumns : names.map(canonical);
}

function canonical(name: string): string {
  const lower = name.toLowerCase();
  const others: Readonly<Record<string, string>> = {
    '%cpu': 'pcpu',
    ni: 'nice',
    cmd: 'args',
    command: 'args',
    s: 'state',
  };
  return others[lower] ?? lower;
}

/** The table of those processes that are still there. */
export function processTable(
  pids: readonly number[],
  columns: readonly string[],
  names: Pick<TopFacts, 'idMap' | 'userName' | 'groupName' | 'hostUserName' | 'hostGroupName'>,
): ProcessTable {
  const found = pids.map(readProcessFacts).filter((process) => process !== undefined);
  const processes = found.sort((a, b) => a.innerPid - b.innerPid);
  const innerPids = new Map(processes.map(({ pid, innerPid }) => [pid, innerPid]));
  const facts: TopFacts = { ...names, uptime: uptime(), innerPids };
  const chosen = columns.flatMap((name) => topColumns[name] ?? []);
  return {
    titles: chosen.map(({ title }) => title),
    rows: processes.map((process) => chosen.map(({ value }) => value(process, facts))),
  };
}

function busySeconds({ userTicks, systemTicks }: ProcessFacts): number {
  return (userTicks + systemTicks) / ticksPerSecond;
}

function elapsed({ startTicks }: ProcessFacts, facts: TopFacts): number {
  return Math.max(0, facts.uptime - startTicks / ticksPerSecond);
}

/** As Go prints durations of whole seconds: `1h2m3s`. */
function durationText(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (hours > 0) return `${hours}h${minutes}m${rest}s`;
  return minutes > 0 ? `${minutes}m${rest}s` : `${rest}s`;
}

const firstPtsMajor = 136;
const lastPtsMajor = 143;

function terminalText(device: number): string {
  if (device === 0) return '?';
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major >= firstPtsMajor && major <= lastPtsMajor) return `pts/${(major - firstPtsMajor) * 256 + minor}`;
  return `${major}:${minor}`;
}

/** `index` 0 real, 1 effective. */
function id({ status }: ProcessFacts, field: 'Uid' | 'Gid', index: number): number {
  return Number((status.get(field) ?? '').split(/\s+/)[index] ?? 0);
}

function innerId(process: ProcessFacts, field: 'Uid' | 'Gid', index: number, { idMap }: TopFacts): number {
  const outer = id(process, field, index);
  return toContainerId(field === 'Uid' ? idMap.uid : idMap.gid, outer) ?? outer;
}

function capabilities(field: string): Column['value'] {
  return ({ status }) => {
    const bits = BigInt(`0x${status.get(field) ?? '0'}`);
    if (bits === 0n) return 'none';
    const names: string[] = [];
    for (let number = 0; number < 64; number++) {
      if ((bits >> BigInt(number)) & 1n) names.push(capabilityName(number).replace(/^CAP_/, ''));
    }
    return names.join(',');
  };
}
