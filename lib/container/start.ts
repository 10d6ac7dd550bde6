/** Starting containers: the bundle's files, the plan, the supervisor. */
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, writeFileAtomic } from '../host/files.js';
import { encodePlan } from '../native/plan.js';
import type { Started } from '../native/supervisor.js';
import { handOver, startDetached } from '../native/supervisor.js';
import type { NetworkPlan } from '../network/network-plan.js';
import { launchData, planLaunch } from '../sandbox/launch-plan.js';
import { runtimeConfigText } from '../sandbox/runtime-config.js';
import type { SeccompFilter } from '../sandbox/seccomp.js';
import { confinementFilter } from './confinement.js';
import type { UserNamespace } from './inner-map.js';
import { type LaunchChoice, launchSpec } from './launch.js';
import { networkAtStart } from './network-at-start.js';
import { notifySpec } from './notify.js';
import type { ContainerRecord } from './record.js';
import type { LaunchSecrets } from './secrets.js';
import { isHeld, readState } from './state.js';
import { type ContainerPlaces, type ContainerStores, containerPlaces } from './stores.js';
import { isActive } from './view.js';

export type StartOptions = {
  /** A network planned just now can be handed in. */
  readonly network?: NetworkPlan | undefined;
  /** Made for this start: it goes when its process cannot be executed. */
  readonly fresh?: boolean | undefined;
  /** In the foreground: our standard input is not the container's. */
  readonly outputOnly?: boolean | undefined;
  /** In the foreground: instead of what the container was made with. */
  readonly detachKeys?: string | undefined;
  readonly signalProxy?: boolean | undefined;
};

/**
 * Starts a container that stays after we are gone; returns once its process was executed.
 * @throws IN_USE when it runs, START with an exit code of 125, 126 or 127.
 */
export async function startContainer(
  stores: ContainerStores,
  record: ContainerRecord,
  options: StartOptions = {},
): Promise<Started> {
  const { records, data } = await prepareStart(stores, record, 'detach', options);
  if (options.fresh !== true) await keepPlan(stores, record, records);
  return startDetached('run', records, data);
}

/** As `startContainer`; undefined when somebody else's start came first, be it of a container that was just made. */
export async function startUnlessRunning(
  stores: ContainerStores,
  record: ContainerRecord,
  options: StartOptions = {},
): Promise<Started | undefined> {
  try {
    return await startContainer(stores, record, options);
  } catch (error) {
    const isTaken = error instanceof CoracleError && error.code === 'IN_USE';
    if (!isTaken || !isActive(readState(containerPlaces(stores, record.id).directory))) throw error;
    return undefined;
  }
}

/** Plans the start of a container that was just made, for whoever starts it. What cannot be planned now is planned then. */
export async function prepareLaterStart(stores: ContainerStores, record: ContainerRecord): Promise<void> {
  const { isRepeatable } = await import('./prepared.js');
  if (!isRepeatable(record, stores.env)) return;
  const { records } = await prepareStart(stores, record, 'detach', {});
  await keepPlan(stores, record, records);
}

async function keepPlan(
  stores: ContainerStores,
  record: ContainerRecord,
  records: Parameters<typeof startDetached>[1],
): Promise<void> {
  const { isRepeatable, writePrepared } = await import('./prepared.js');
  const joins = records.some(
    ([op, , how]) => op === 'net-of' || op === 'net-hold' || (op === 'ns' && how === 'of'),
  );
  const placed = records.find(([op]) => op === 'cgroup')?.[1];
  // Our own cgroup decides about some places; and what is not delegated now may be then.
  const here = placed === 'directory' || (placed === undefined && record.options.limits !== undefined);
  if (!joins && !here && isRepeatable(record, stores.env)) writePrepared(stores, record, records);
}

/**
 * Starts a container and becomes its client: this process is replaced, its exit code will be the container's.
 * Nothing after the call runs unless it throws.
 */
export async function startInForeground(
  stores: ContainerStores,
  record: ContainerRecord,
  options: StartOptions = {},
): Promise<never> {
  const { records, data } = await prepareStart(stores, record, 'foreground', options);
  return handOver('run', records, data);
}

async function prepareStart(
  stores: ContainerStores,
  record: ContainerRecord,
  mode: LaunchChoice['mode'],
  options: StartOptions,
): Promise<{ readonly records: ReturnType<typeof planLaunch>; readonly data: Uint8Array | undefined }> {
  const places = containerPlaces(stores, record.id);
  await awaitEnd(places.directory, record.name);
  if (options.fresh !== true && existsSync(`${places.directory}/mount.json`)) {
    const { refuseStart } = await import('./mount.js');
    refuseStart(stores, record);
  }
  // On user-defined networks addresses are taken at each start.
  const planned = record.network === 'bridge' ? undefined : options.network;
  const network = planned ?? (await networkAtStart(stores, record));
  const filter = await confinementFilter(stores, record);
  const { outputOnly, detachKeys, signalProxy, fresh } = options;
  const client = { outputOnly, detachKeys, signalProxy };
  const secrets = await readSecrets(record, places.directory);
  const seccompFile = filter?.program;
  const { joined, userOf } = await joinedAtStart(stores, record);
  if (record.userNamespace?.path !== undefined) await requireNamespace(record.name, record.userNamespace);
  const notify = notifySpec(stores.env, record, places);
  const spec = launchSpec(stores, record, {
    mode,
    network,
    seccompFile,
    joined,
    userOf,
    secrets,
    notify,
    cgroup: await cgroupOf(stores, record, notify !== undefined),
    fresh,
    client,
  });
  const records = planLaunch(spec);
  if (record.healthcheck !== undefined) {
    const { healthPlan } = await import('./health-plan.js');
    writeFileAtomic(`${places.directory}/health.plan`, healthPlan(record, record.healthcheck, spec));
  }
  writeNameFiles(places, network);
  writeFileAtomic(`${places.directory}/config.json`, configText(spec, record, filter));
  writeFileAtomic(`${places.directory}/plan`, encodePlan(records));
  prepareSocketDirectory(stores, places);
  if (notify !== undefined) ensureDirectory(notify.directory, 0o755);
  ensureDirectory(stores.paths.trash);
  return { records, data: secrets === undefined ? undefined : launchData(spec) };
}

/** The supervisor of an end that is known already may still be cleaning up. @throws IN_USE for a container that runs, NOT_FOUND for one that is being removed */
async function awaitEnd(directory: string, name: string): Promise<void> {
  for (const deadline = Date.now() + cleaningPatience; isHeld(directory); await pause(5)) {
    // Between its exit record and its end it looks like one that starts.
    const { status } = readState(directory);
    if (status === 'dead') throw new CoracleError('NOT_FOUND', `start container ${name}: it was removed`);
    if (status === 'running' || status === 'paused' || Date.now() > deadline)
      throw new CoracleError('IN_USE', `start container ${name}: it is running already`);
  }
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Milliseconds that the supervisor of a container that has ended is waited for. */
const cleaningPatience = 10_000;

/** What cannot be applied was said when the container was made. */
async function cgroupOf(
  stores: ContainerStores,
  record: ContainerRecord,
  isService: boolean,
): Promise<LaunchChoice['cgroup']> {
  const { limits, cgroup, pod } = record.options;
  if (limits === undefined && cgroup === undefined && pod === undefined) return undefined;
  const { cgroupAtStart } = await import('./cgroup-at-start.js');
  return cgroupAtStart(stores, record, isService);
}

async function joinedAtStart(
  stores: ContainerStores,
  record: ContainerRecord,
): Promise<Pick<LaunchChoice, 'joined' | 'userOf'>> {
  if (record.sharedNamespaces === undefined && record.userContainer === undefined) return {};
  const { joinedNamespaces, joinedUser } = await import('./shared-namespaces.js');
  return { joined: joinedNamespaces(stores, record), userOf: joinedUser(stores, record) };
}

/** @throws CONFLICT where its process has ended */
async function requireNamespace(name: string, { path = '', target }: UserNamespace): Promise<void> {
  const { userNamespaceTarget } = await import('./user-namespace.js');
  if (userNamespaceTarget(path) === target) return;
  throw new CoracleError(
    'CONFLICT',
    `start container ${name}: the user namespace ${path} it was made for is gone`,
    {
      hint: 'make it again with one that is there',
    },
  );
}

/** Undefined for a container without secrets. */
export async function readSecrets(
  record: ContainerRecord,
  directory: string,
): Promise<LaunchSecrets | undefined> {
  if (record.secrets === undefined) return undefined;
  const { launchSecrets } = await import('./secrets.js');
  return launchSecrets(record, directory);
}

function configText(
  spec: ReturnType<typeof launchSpec>,
  record: ContainerRecord,
  filter: SeccompFilter | undefined,
): string {
  return runtimeConfigText(spec, {
    rootPath: 'fs',
    seccomp: filter === undefined ? undefined : readFileSync(filter.profile, 'utf8'),
    annotations: {
      'org.opencontainers.image.ref.name': record.imageReference ?? record.imageId,
      'coracle.name': record.name,
      'coracle.created': record.created,
    },
  });
}

/** Readable for every user of the container, whatever our umask. */
function writeNameFiles({ directory }: ContainerPlaces, { files }: NetworkPlan): void {
  const texts = { 'resolv.conf': files.resolvConf, hosts: files.hosts, hostname: files.hostname };
  for (const [name, text] of Object.entries(texts)) {
    if (text !== undefined) writeFileAtomic(`${directory}/${name}`, text, { mode: 0o644 });
  }
}

/**
 * The link tells a sweep whose directory it is, also when the store is another one. A sweep may take the directory
 * away as long as it is empty; no two sweeps are that fast.
 */
function prepareSocketDirectory(stores: ContainerStores, places: ContainerPlaces, again = true): void {
  try {
    mkdirSync(places.socketDirectory, { recursive: true, mode: 0o700 });
    symlinkSync(places.directory, `${places.socketDirectory}/d`);
  } catch (error) {
    if (again && hasErrno(error, 'ENOENT')) return prepareSocketDirectory(stores, places, false);
    if (!hasErrno(error, 'EEXIST')) throw ioError(`create socket directory below ${stores.runtime}`, error);
  }
}
