/** A bundle's configuration as the plan of `coracle-sv oci-create`. Pure: what the configuration does not say is not in it. */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import type { PlanRecord } from '../native/plan.js';
import type { BundleConfig } from '../oci/bundle-config.js';
import type { BundleHook, HookKind } from '../oci/bundle-hooks.js';
import type { BundleLinux, BundleNamespaceType } from '../oci/bundle-linux.js';
import type { BundleProcess, CapabilitySet } from '../oci/bundle-process.js';
import { capabilityNumber } from '../sandbox/capabilities.js';
import { parseRlimit } from '../sandbox/rlimit.js';
import { type Caller, idRecords } from './id-records.js';
import { deviceRecords, mountRecords } from './mount-records.js';

export type BundleLaunch = {
  readonly id: string;
  readonly bundle: string;
  /** Of the container's records. */
  readonly directory: string;
  readonly config: BundleConfig;
  readonly caller: Caller;
  readonly mode: 'detach' | 'child';
  /** It waits to be put into a cgroup. */
  readonly hold: boolean;
  readonly console: string | undefined;
  readonly seccompFile: string | undefined;
  readonly preserveFds: number;
  /** The state that hooks read, around its status and pid. */
  readonly state: readonly [begin: string, end: string];
};

/** The records. @throws INVALID, UNSUPPORTED for what cannot be done, by its name. */
export function planBundle(launch: BundleLaunch): readonly PlanRecord[] {
  const { config, bundle, directory, mode } = launch;
  const { linux } = config;
  return [
    ['mode', mode],
    ...flag('hold', launch.hold),
    ['dir', directory],
    ['rootdir', rootPath(config, bundle)],
    ...flag('root-readonly', config.root.readonly),
    ...flag('root-slave', linux.rootSlave),
    ...idRecords(linux, launch.caller),
    ...namespaceRecords(linux),
    ...mountRecords(config.mounts, bundle),
    ...deviceRecords(config.mounts),
    ...linux.devices
      .filter(({ path }) => !defaultDevices.includes(path))
      .map(({ path }): PlanRecord => ['device', path, path]),
    ...linux.maskedPaths.map((path): PlanRecord => ['mask', path]),
    ...linux.readonlyPaths.map((path): PlanRecord => ['readonly-path', path]),
    ...nameRecords(config),
    ...Object.entries(linux.sysctl).map(([key, value]): PlanRecord => ['sysctl', key, value]),
    ...processRecords(config.process, launch),
    ...hookRecords(config, launch.state),
  ];
}

/** Where the bundle's root file system lies. */
export function rootPath(config: BundleConfig, bundle: string): string {
  const { path } = config.root;
  return path.startsWith('/') ? path : join(bundle, path);
}

/** Nodes that come with every container, whatever the list says. */
export const defaultDevices = 'null zero full random urandom tty console ptmx'
  .split(' ')
  .map((name) => `/dev/${name}`);

const spelled = { pid: 'pid', ipc: 'ipc', uts: 'uts', cgroup: 'cgroup', network: 'net' } as const;

function namespaceRecords({ namespaces }: BundleLinux): PlanRecord[] {
  const pathOf = (type: BundleNamespaceType): string | undefined =>
    namespaces.find((namespace) => namespace.type === type)?.path;
  const user = pathOf('user');
  const others = (Object.keys(spelled) as (keyof typeof spelled)[]).flatMap((type): PlanRecord[] => {
    if (!namespaces.some((namespace) => namespace.type === type)) return [['ns', spelled[type], 'host']];
    const path = pathOf(type);
    return path === undefined ? [] : [['ns-path', spelled[type], path]];
  });
  return [...others, ...(user === undefined ? [] : [['ns-path', 'user', user] as const])];
}

/** Names are of the namespace: those of the host are not ours to change. */
function nameRecords({ hostname, domainname, linux }: BundleConfig): PlanRecord[] {
  const own = linux.namespaces.some(({ type }) => type === 'uts');
  if (!own && (hostname ?? domainname ?? '') !== '')
    throw new CoracleError('INVALID', 'set hostname: there is no namespace of type uts');
  return [...text('hostname', hostname), ...text('domainname', domainname)];
}

function text(op: string, value: string | undefined): PlanRecord[] {
  return value === undefined || value === '' ? [] : [[op, value]];
}

/** What of a process stands in a plan, be it a container's first or a session's. */
export function processRecords(
  process: BundleProcess,
  given: {
    readonly console: string | undefined;
    readonly seccompFile: string | undefined;
    readonly preserveFds: number;
  },
): PlanRecord[] {
  const { user, consoleSize, oomScoreAdj } = process;
  const hasHome = process.env.some((entry) => entry.startsWith('HOME='));
  return [
    ...process.args.map((word): PlanRecord => ['arg', word]),
    ...process.env.map((entry): PlanRecord => ['env', entry]),
    ...flag('home-env', !hasHome),
    ['cwd', process.cwd],
    ['user', `${user.uid}:${user.gid}`],
    ...user.additionalGids.map((gid): PlanRecord => ['group', `${gid}`]),
    ['umask', (user.umask ?? 0o022).toString(8).padStart(4, '0')],
    ...(process.terminal ? [ttyRecord(consoleSize)] : []),
    ...text('console', given.console),
    capabilityRecord(process.capabilities),
    ...flag('nnp', process.noNewPrivileges),
    ...text('seccomp', given.seccompFile),
    ...process.rlimits.map(limitRecord),
    ...(oomScoreAdj === undefined ? [] : [['oom-score-adj', `${oomScoreAdj}`] as const]),
    ...(given.preserveFds > 0 ? [['preserve-fds', `${given.preserveFds}`] as const] : []),
  ];
}

function ttyRecord(size: BundleProcess['consoleSize']): PlanRecord {
  return ['tty', `${size?.height ?? 0}`, `${size?.width ?? 0}`];
}

/** As the `capabilities` record orders them. */
const setOrder: readonly CapabilitySet[] = ['bounding', 'effective', 'inheritable', 'permitted', 'ambient'];

function capabilityRecord(sets: BundleProcess['capabilities']): PlanRecord {
  const mask = (names: readonly string[]): string =>
    names.reduce((bits, name) => bits | (1n << BigInt(capabilityNumber(name))), 0n).toString(16);
  return ['capabilities', ...setOrder.map((set) => mask(sets[set]))];
}

function limitRecord({ type, soft, hard }: BundleProcess['rlimits'][number]): PlanRecord {
  const name = type.startsWith('RLIMIT_') ? type.slice('RLIMIT_'.length).toLowerCase() : type;
  parseRlimit(`${name}=${soft}:${hard}`);
  return ['rlimit', name, `${soft}`, `${hard}`];
}

function hookRecords({ hooks }: BundleConfig, state: BundleLaunch['state']): PlanRecord[] {
  const of = (kind: HookKind, word: string): PlanRecord[] =>
    hooks[kind].flatMap((hook) => hookRecord(hook, word));
  const records = [...of('createContainer', 'create-container'), ...of('startContainer', 'start-container')];
  return records.length === 0 ? [] : [['state', ...state], ...records];
}

function hookRecord({ path, args, env, timeout }: BundleHook, kind: string): PlanRecord[] {
  return [
    ['hook', kind, `${timeout ?? 0}`, path],
    ...args.map((word): PlanRecord => ['hook-arg', word]),
    ...env.map((entry): PlanRecord => ['hook-env', entry]),
  ];
}

function flag(op: string, set: boolean): PlanRecord[] {
  return set ? [[op]] : [];
}
