/** Spells launch and exec specs as the records of native/PROTOCOL.md 2. Pure: what is not in the spec is not in the plan. */
import { idMapRecords } from '../native/id-map-records.js';
import type { PlanRecord } from '../native/plan.js';
import type { CgroupPlace, CgroupSpec } from './cgroup-place.js';
import type {
  CleanupSpec,
  ConfinementSpec,
  EventsSpec,
  ExecSpec,
  HealthSpec,
  LaunchSpec,
  LogSpec,
  NotifySpec,
  ProcessSpec,
  RestartPolicy,
} from './launch-spec.js';
import type { Mount } from './mount.js';
import { sortMounts } from './mounts.js';

/** The plan of `coracle-sv run`. */
export function planLaunch(spec: LaunchSpec): PlanRecord[] {
  const place = dataPlacer();
  return [
    ['id', spec.id],
    ['mode', spec.mode],
    ['dir', spec.directory],
    ...optional('socket', spec.socket),
    ...idMapRecords(spec.idMap),
    ...(spec.outerIdMap === undefined ? [] : idMapRecords(spec.outerIdMap, 'outer-')),
    ...optional('user-path', spec.userPath),
    ...optional('user-of', spec.userOf),
    ...spec.root,
    ...flag('root-readonly', spec.rootReadonly),
    ...spec.hostNamespaces.map((name): PlanRecord => ['ns', name, 'host']),
    ...(spec.joinedNamespaces ?? []).map(
      ({ namespace, socket }): PlanRecord => ['ns', namespace, 'of', socket],
    ),
    ...spec.network,
    ...sortMounts(spec.mounts).flatMap((mount) => mountRecords(mount, place)),
    ...(spec.devices ?? []).map(({ source, destination }): PlanRecord => ['device', source, destination]),
    ...each('mask', spec.maskedPaths),
    ...each('readonly-path', spec.readonlyPaths),
    ...each('passwd-entry', spec.accounts?.passwd ?? []),
    ...each('group-entry', spec.accounts?.group ?? []),
    ...optional('hostname', spec.hostname),
    ...Object.entries(spec.sysctls).map(([key, value]): PlanRecord => ['sysctl', key, value]),
    ...optional('binfmt', spec.binfmt),
    ...processRecords(spec.process),
    ...secretRecords(spec.process, place),
    ...confinementRecords(spec.confinement),
    ...limitRecords(spec.rlimits),
    ...optional('oom-score-adj', spec.oomScoreAdj),
    ...cgroupRecords(spec.cgroup),
    ...flag('pause', spec.pause ?? false),
    ...flag('ends-with-members', spec.endsWithMembers ?? false),
    ...optional('member-of', spec.memberOf),
    ...flag('init', spec.init),
    ['stop', `${spec.stop.signal}`, `${spec.stop.timeoutMs}`],
    ...optional('timeout', spec.timeoutMs),
    ...restartRecords(spec.restart),
    ...healthRecords(spec.health),
    ...logRecords(spec.log),
    ...cleanupRecords(spec.cleanup),
    ...eventsRecords(spec.events),
    ...notifyRecords(spec.notify),
    ...optional('pidfile', spec.pidfile),
    ...clientRecords(spec.detachKeys, spec.signalProxy),
    ...flag('output-only', spec.outputOnly ?? false),
  ];
}

/** The plan of an update: `false` takes the health check away, undefined leaves it. */
export function planUpdate(change: {
  readonly restart?: RestartPolicy | undefined;
  readonly health?: HealthSpec | false | undefined;
  /** Not beside the others. */
  readonly events?: EventsSpec | undefined;
}): PlanRecord[] {
  const { restart, health, events } = change;
  return [
    ...restartRecords(restart),
    ...(health === false ? [['no-health'] as const] : healthRecords(health)),
    ...eventsRecords(events),
  ];
}

/** The bytes that the plan of `spec` names but does not hold, in the order in which it names them. */
export function launchData(spec: LaunchSpec): Buffer {
  const files = sortMounts(spec.mounts).flatMap(({ data }) => data ?? []);
  return Buffer.concat([...files, ...(spec.process.secrets ?? []).map(({ value }) => value)]);
}

/** The session's secrets, which lie in the data of the plan of `launch`. */
function secretsIn(launch: LaunchSpec | undefined): PlanRecord[] {
  if (launch === undefined) return [];
  const place = dataPlacer();
  for (const { data } of launch.mounts) if (data !== undefined) place(data);
  return secretRecords(launch.process, place);
}

function secretRecords({ secrets = [] }: ProcessSpec, place: (data: Uint8Array) => string): PlanRecord[] {
  return secrets.map(({ name, value }) => ['env-data', name, place(value)]);
}

/** Where each part of the data lies, asked for in order. */
function dataPlacer(): (data: Uint8Array) => string {
  let offset = 0;
  return ({ length }) => {
    const place = `${offset}:${length}`;
    offset += length;
    return place;
  };
}

function mountRecords(mount: Mount, place: (data: Uint8Array) => string): PlanRecord[] {
  const { type, destination, options, data, layers = [], upper, inside, label } = mount;
  const source = data === undefined ? mount.source : place(data);
  return [
    ['mount', type, source, destination, options.join(',')],
    ...each('mount-layer', layers),
    ...(upper === undefined ? [] : [['mount-upper', upper.directory, upper.work] as const]),
    ...optional('mount-inside', inside),
    ...optional('mount-label', label),
  ];
}

/** The plan of `coracle-sv exec`; with `launch`, of a session that gets the data of that start. */
export function planExec(spec: ExecSpec, launch?: LaunchSpec): PlanRecord[] {
  return [
    ['mode', spec.mode],
    ['socket', spec.socket],
    ...processRecords(spec.process),
    ...secretsIn(launch),
    ...confinementRecords(spec.confinement),
    ...limitRecords(spec.rlimits),
    ...eventsRecords(spec.events),
    ...optional('preserve-fds', spec.preserveFds),
    ...clientRecords(spec.detachKeys, spec.signalProxy),
  ];
}

function processRecords(process: ProcessSpec): PlanRecord[] {
  const { tty } = process;
  const hasHome = process.env.some((entry) => entry.startsWith('HOME='));
  return [
    ...each('arg', process.args),
    ...each('env', process.env),
    ['cwd', process.cwd],
    ['user', process.user],
    ...each('group', process.groups),
    ...flag('keep-groups', process.keepGroups ?? false),
    ...flag('home-env', !hasHome),
    ['umask', process.umask.toString(8).padStart(4, '0')],
    ...(tty === undefined ? [] : [['tty', `${tty.rows}`, `${tty.columns}`] as const]),
    ...optional('stdin', process.stdin),
  ];
}

function confinementRecords(confinement: ConfinementSpec): PlanRecord[] {
  return [
    ...confinement.capabilities.map((number): PlanRecord => ['cap', `${number}`]),
    ...flag('nnp', confinement.noNewPrivileges),
    ...optional('personality', confinement.personality),
    ...optional('apparmor', confinement.apparmor),
    ...optional('seccomp', confinement.seccompFile),
  ];
}

function limitRecords(limits: LaunchSpec['rlimits']): PlanRecord[] {
  return limits.map(({ name, soft, hard }): PlanRecord => ['rlimit', name, `${soft}`, `${hard}`]);
}

function cgroupRecords(cgroup: CgroupSpec | undefined): PlanRecord[] {
  if (cgroup === undefined) return [];
  return [
    placeRecord(cgroup.place),
    ...flag('cgroup-pod', cgroup.holdsPod === true),
    ...cgroup.files.map(([name, value]): PlanRecord => ['cgroup-file', name, value]),
  ];
}

function placeRecord(place: CgroupPlace): PlanRecord {
  switch (place.kind) {
    case 'split':
      return ['cgroup', 'split', place.mount];
    case 'directory':
      return ['cgroup', 'directory', place.path];
    case 'member': {
      const { path, unit, manager } = place;
      const scope = unit === undefined || manager === undefined ? [] : [unit, manager.kind, manager.socket];
      return ['cgroup', 'member', path, ...scope];
    }
    default: {
      const { kind, mount, unit, slice, manager } = place;
      return ['cgroup', kind, mount, unit, slice ?? '-', manager.kind, manager.socket];
    }
  }
}

function restartRecords(restart: RestartPolicy | undefined): PlanRecord[] {
  return restart === undefined ? [] : [['restart', restart.name, `${restart.maximum}`]];
}

function healthRecords(health: HealthSpec | undefined): PlanRecord[] {
  if (health === undefined) return [];
  const { plan, interval, timeout, startPeriod, startInterval, retries, onFailure, logCount, logSize } =
    health;
  const times = [interval, timeout, startPeriod, startInterval].map(String);
  return [['health', plan, ...times, `${retries}`, onFailure, `${logCount}`, `${logSize}`]];
}

function logRecords(log: LogSpec | undefined): PlanRecord[] {
  if (log === undefined) return [];
  const { driver, path, maxSize, maxFiles, extra } = log;
  return [['log', driver, path, `${maxSize}`, `${maxFiles}`, ...(extra === undefined ? [] : [extra])]];
}

function cleanupRecords(cleanup: CleanupSpec | undefined): PlanRecord[] {
  if (cleanup === undefined) return [];
  return [
    ...cleanup.rename.map(
      ({ from, to, unless }): PlanRecord => ['rename', from, to, ...(unless === undefined ? [] : [unless])],
    ),
    ...each('remove', cleanup.remove),
    ...flag('keep-started', cleanup.keepStarted),
  ];
}

function eventsRecords(events: EventsSpec | undefined): PlanRecord[] {
  return events === undefined ? [] : [['events', events.path, events.lock, events.subject]];
}

function notifyRecords(notify: NotifySpec | undefined): PlanRecord[] {
  return notify === undefined ? [] : [['sdnotify', notify.mode, notify.socket, notify.directory]];
}

function clientRecords(detachKeys: Uint8Array | undefined, signalProxy: boolean): PlanRecord[] {
  const keys =
    detachKeys === undefined || detachKeys.length === 0 ? undefined : Buffer.from(detachKeys).toString('hex');
  return [...optional('detach-keys', keys), ...flag('sig-proxy', signalProxy)];
}

function optional(op: string, value: string | number | undefined): PlanRecord[] {
  return value === undefined ? [] : [[op, `${value}`]];
}

function flag(op: string, set: boolean): PlanRecord[] {
  return set ? [[op]] : [];
}

function each(op: string, values: readonly string[]): PlanRecord[] {
  return values.map((value): PlanRecord => [op, value]);
}
