/** From a container's record to the launch spec of its next start. */

import { CoracleError } from '../errors.js';
import { findProgram } from '../host/id-map.js';
import type { PlanRecord } from '../native/plan.js';
import type { NetworkPlan } from '../network/network-plan.js';
import type { CgroupSpec } from '../sandbox/cgroup-place.js';
import type {
  CleanupSpec,
  JoinedNamespace,
  LaunchSpec,
  NamespaceName,
  NotifySpec,
  ProcessSpec,
} from '../sandbox/launch-spec.js';
import { maskedPaths, readonlyPaths } from '../sandbox/mounts.js';
import { rootLayers } from '../snapshot/init-layer.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { rootPlan } from '../snapshot/root-plan.js';
import { sharedMark } from '../volume/shared-volumes.js';
import { launchLog } from './choose-log.js';
import { eventsSpec } from './container-events.js';
import { containerMounts } from './container-mounts.js';
import { defaultDetachKeys, parseDetachKeys } from './detach-keys.js';
import type { NamespaceKind } from './namespace-flags.js';
import { notifyMount, notifyVariable } from './notify.js';
import { processSpec } from './process-spec.js';
import type { ContainerRecord } from './record.js';
import type { RunOptions } from './run-options.js';
import type { LaunchSecrets } from './secrets.js';
import { type ContainerStores, containerPlaces } from './stores.js';

/** What a start decides on top of the record. */
export type LaunchChoice = {
  readonly mode: 'detach' | 'foreground';
  readonly network: Pick<NetworkPlan, 'records'>;
  readonly seccompFile: string | undefined;
  readonly userOf?: string | undefined;
  readonly joined?: readonly JoinedNamespace[] | undefined;
  readonly secrets?: LaunchSecrets | undefined;
  readonly notify?: NotifySpec | undefined;
  readonly cgroup?: CgroupSpec | undefined;
  /** Nobody has seen the container yet: it goes when its process cannot be executed. */
  readonly fresh?: boolean | undefined;
  /** The client of a start in the foreground, where it differs from what the container was made with. */
  readonly client?: {
    readonly outputOnly?: boolean | undefined;
    readonly detachKeys?: string | undefined;
    readonly signalProxy?: boolean | undefined;
  };
};

/** The spec of a start. Makes missing volumes; reads snapshots' records. */
export function launchSpec(
  stores: ContainerStores,
  record: ContainerRecord,
  choice: LaunchChoice,
): LaunchSpec {
  const { options } = record;
  const places = containerPlaces(stores, record.id);
  return {
    id: record.id,
    mode: choice.mode,
    directory: places.directory,
    socket: places.socket,
    idMap: record.userNamespace?.idMap ?? stores.idMap(),
    outerIdMap: record.userNamespace?.outer,
    userPath: record.userNamespace?.path,
    userOf: choice.userOf,
    accounts: record.accounts,
    devices: options.deviceNodes,
    root: rootRecords(stores, record),
    rootReadonly: options.readonlyRoot ?? false,
    hostNamespaces: hostNamespaces(record),
    joinedNamespaces: choice.joined,
    network: choice.network.records,
    mounts: [
      ...containerMounts(stores, record),
      ...(choice.secrets?.mounts ?? []),
      ...(choice.notify?.mode === 'container' ? [notifyMount(choice.notify.directory)] : []),
    ],
    maskedPaths: hidden(maskedPaths, options, options.security?.mask ?? []),
    readonlyPaths: hidden(readonlyPaths, options, []),
    process: launchProcess(record, choice),
    confinement: {
      capabilities: record.capabilities,
      noNewPrivileges: options.security?.noNewPrivileges ?? false,
      apparmor: options.security?.apparmor,
      personality: options.personality,
      seccompFile: choice.seccompFile,
    },
    rlimits: options.ulimits ?? [],
    oomScoreAdj: options.oomScoreAdj,
    cgroup: choice.cgroup,
    hostname: record.hostname,
    sysctls: options.sysctls ?? {},
    ...podSpec(stores, options.pod),
    init: options.init ?? false,
    stop: { signal: record.stopSignal, timeoutMs: record.stopTimeout * 1000 },
    timeoutMs: options.timeout === undefined ? undefined : options.timeout * 1000,
    restart: options.restart,
    health:
      record.healthcheck === undefined
        ? undefined
        : { ...record.healthcheck, plan: `${places.directory}/health.plan` },
    log: launchLog(record),
    notify: choice.notify,
    pidfile: options.pidfile,
    events: eventsSpec(stores.paths, record),
    cleanup: record.autoRemove || choice.fresh === true ? cleanup(stores, record) : undefined,
    ...(choice.mode === 'foreground' ? clientSpec(options, choice.client) : { signalProxy: false }),
  };
}

function podSpec(
  stores: ContainerStores,
  pod: RunOptions['pod'],
): Pick<LaunchSpec, 'pause' | 'endsWithMembers' | 'memberOf'> {
  if (pod?.kind === 'member') return { memberOf: containerPlaces(stores, pod.holder).socket };
  return { pause: pod !== undefined, endsWithMembers: pod?.exitPolicy === 'stop' };
}

function hostNamespaces({ network, options }: ContainerRecord): NamespaceName[] {
  const chosen = Object.entries(options.namespaces ?? {}).filter(([, { mode }]) => mode === 'host');
  return [...(network === 'host' ? ['net' as const] : []), ...chosen.map(([kind]) => kind as NamespaceKind)];
}

function launchProcess(record: ContainerRecord, { mode, notify, secrets }: LaunchChoice): ProcessSpec {
  const process = { ...processSpec(record.process, record.options, mode), secrets: secrets?.env };
  return notify?.mode === 'container' ? { ...process, env: [...process.env, notifyVariable] } : process;
}

function clientSpec(
  options: RunOptions,
  client: LaunchChoice['client'] = {},
): Pick<LaunchSpec, 'detachKeys' | 'signalProxy' | 'outputOnly'> {
  return {
    detachKeys: parseDetachKeys(client.detachKeys ?? options.detachKeys ?? defaultDetachKeys),
    signalProxy: client.signalProxy ?? options.signalProxy ?? true,
    outputOnly: options.log?.driver === 'passthrough' ? true : client.outputOnly,
  };
}

function hidden(
  defaults: readonly string[],
  options: RunOptions,
  added: readonly string[],
): readonly string[] {
  const shown = options.security?.unmask ?? [];
  const kept = shown.includes('ALL') ? [] : defaults.filter((path) => !shown.some((one) => fits(one, path)));
  return [...kept, ...added];
}

/** A path, or a pattern of the shell whose `*` stays in one directory, as in `/proc/*`. */
function fits(pattern: string, path: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^/]*')}$`).test(path);
}

/** The plan's records of a container's root file system. @throws HOST, NOT_FOUND */
export function rootRecords(stores: ContainerStores, record: ContainerRecord): readonly PlanRecord[] {
  const { fs, work } = containerPlaces(stores, record.id);
  if (record.driver === 'copy') return rootPlan('copy', [], { rootdir: fs });
  const fuse = record.driver === 'fuse-overlayfs' ? findProgram('fuse-overlayfs', stores.env) : undefined;
  if (record.driver === 'fuse-overlayfs' && fuse === undefined) {
    throw new CoracleError('HOST', `start container ${record.name}: fuse-overlayfs is not installed`, {
      hint: 'install the package fuse-overlayfs: this container was made with that driver',
    });
  }
  return rootPlan(record.driver, rootLayers(stores, topSnapshot(stores, record)), {
    upper: fs,
    work,
    // What goes with its container need not reach the disk; a restart would mount it again, which volatile forbids.
    volatile: record.autoRemove && record.options.restart === undefined,
    ...(fuse === undefined ? {} : { fuseProgram: fuse, fuseOptions: record.userNamespace?.fuseOptions }),
  });
}

function topSnapshot(stores: ContainerStores, record: ContainerRecord): SnapshotRecord | undefined {
  if (record.snapshot === undefined) return undefined;
  const top = stores.snapshots.get(record.snapshot);
  if (top !== undefined) return top;
  throw new CoracleError('NOT_FOUND', `start container ${record.name}: snapshot ${record.snapshot} is gone`, {
    hint: 'its image was removed by force, or from an additional store: remove the container and make it again',
  });
}

/** What `--rm` or a failed `run` removes, done by the infra process so that no program of ours need stay. */
function cleanup(stores: ContainerStores, record: ContainerRecord): CleanupSpec {
  const { paths } = stores;
  const { directory, files, socketDirectory } = containerPlaces(stores, record.id);
  const trash = (name: string): string => `${paths.trash}/${name}`;
  // A rename stays on its file system.
  const own = (name: string): string =>
    paths.transient === undefined ? trash(name) : `${paths.transient}/trash/${name}`;
  const apart = files === directory ? [] : [{ from: files, to: trash(`${record.id}.files`) }];
  const volumes = record.volumes.filter(({ anonymous }) => anonymous).map(({ name }) => name);
  return {
    // The name goes first: a name whose container is gone would look like a leftover that others may take. The
    // directory goes last: without the record in it nobody could tell whose the volumes were.
    rename: [
      { from: `${paths.names}/${record.name}`, to: own(`${record.id}.name`) },
      ...volumes.map((name) => ({
        from: `${paths.volumes}/${name}`,
        to: trash(name),
        unless: sharedMark(paths, name),
      })),
      ...apart,
      { from: directory, to: own(record.id) },
    ],
    remove: [
      own(`${record.id}.name`),
      ...apart.map(({ to }) => to),
      own(record.id),
      ...volumes.map(trash),
      socketDirectory,
    ],
    keepStarted: !record.autoRemove,
  };
}
