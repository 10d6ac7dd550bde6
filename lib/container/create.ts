/**
 * Makes a container: decides everything, reserves its name, writes its directory, container.json last. A directory
 * without it is being made or was abandoned; the name's reservation tells which.
 */
import { mkdirSync } from 'node:fs';
import { hostname as hostHostname } from 'node:os';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory } from '../host/files.js';
import { randomHex } from '../host/random.js';
import { moveToTrash } from '../host/trash.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Attachment } from '../network/attachment.js';
import { assignHostPorts } from '../network/free-ports.js';
import type { NetworkPlan } from '../network/network-plan.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { chooseCapabilities } from '../sandbox/capabilities.js';
import { parseSignal } from '../sandbox/signals.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { chooseLog } from './choose-log.js';
import { completeMounts } from './complete-mounts.js';
import { writeContainerEvent } from './container-events.js';
import { checkMounts } from './container-mounts.js';
import { parseDetachKeys } from './detach-keys.js';
import { mergeHealthcheck } from './healthcheck.js';
import { copyImages, imageUses, type MountedImages } from './image-mounts.js';
import { releaseName, reserveName } from './names.js';
import { type NetworkedRecord, networkAtStart } from './network-at-start.js';
import { mergeCommand, mergeProcess } from './process.js';
import type { ContainerRecord, VolumeUse } from './record.js';
import { writeContainerRecord } from './records.js';
import type { ResolvedOptions, ResolveFacts } from './resolve-options.js';
import type { RunOptions } from './run-options.js';
import type { TakenSecret } from './secrets.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import { requestVolumes } from './volume-uses.js';

const defaultStopSignal = 'TERM';
const defaultStopTimeout = 10;

type Purpose = 'start-now' | 'start-later';

/** A container as made, and the network of its first start. */
export type CreatedContainer = {
  readonly record: ContainerRecord;
  readonly network: NetworkPlan;
  readonly warnings: readonly string[];
};

/** What a container is made for, and the images that its mounts name. */
export type CreateContext = {
  readonly purpose?: Purpose;
  readonly images?: MountedImages;
};

/**
 * Makes a container of an image; it is not started.
 * @throws USAGE, CONFLICT (the name), HOST, NOT_FOUND (a bind source); nothing is left behind then.
 */
export async function createContainer(
  stores: ContainerStores,
  asked: RunOptions,
  image: ImageRecord,
  context: CreateContext = {},
): Promise<CreatedContainer> {
  if (asked.userns?.mode !== 'auto') return makeContainer(stores, asked, image, context);
  // Until its record is there nobody else is to choose from the same ids.
  const lock = stores.locks.holdLock(join(stores.paths.ownLocks, 'user-ids'), { wait: true });
  try {
    return await makeContainer(stores, asked, image, context);
  } finally {
    lock?.release();
  }
}

async function makeContainer(
  stores: ContainerStores,
  asked: RunOptions,
  image: ImageRecord,
  { purpose = 'start-now', images = new Map() }: CreateContext,
): Promise<CreatedContainer> {
  const shared = await sharedNetwork(stores, asked);
  const unpacked = asked.userns?.mode === 'auto' ? await topOf(stores, asked, image) : undefined;
  const resolved = await resolve(stores, asked, image, {
    owner: shared.networkContainer,
    layers: () => (unpacked === undefined ? [] : stores.snapshots.layerPaths(unpacked)),
  });
  const snapshot = unpacked ?? (await topOf(stores, asked, image));
  const id = randomHex(32);
  const mounts = completeMounts(stores.paths, resolved.options, imageVolumes(image));
  checkMounts(stores, mounts);
  const { hostsFile } = resolved.options;
  const hosts = hostsFile === 'image' && (await import('./image-hosts.js')).readHosts;
  const lines = hosts ? await hosts(stores, resolved.options, snapshot) : {};
  const options = { ...resolved.options, ...lines, mounts };
  const mounted = await imageUses(stores, mounts, images);
  parseDetachKeys(options.detachKeys ?? '');
  const secrets = await takeSecrets(stores, options);
  const draft = decide({ stores, options, image, id, shared, resolved });
  const name = reserveName(stores.paths, id, options.name);
  try {
    const network = await draft.network(name, purpose);
    const record: ContainerRecord = {
      ...draft.record,
      name,
      network: network.mode,
      ...(snapshot === undefined ? {} : { snapshot: snapshot.id }),
      ...(mounted.length === 0 ? {} : { images: mounted }),
      ...(secrets.taken.length === 0 ? {} : { secrets: secrets.taken.map(({ use }) => use) }),
      ...(purpose === 'start-later' ? { awaitsStart: true } : {}),
    };
    makeDirectories(stores, id);
    secrets.keep(containerPlaces(stores, id).directory);
    if (shared.attachments !== undefined) await keepAttachments(stores, id, shared.attachments);
    if (record.driver === 'copy') await (await import('./tree.js')).copyRoot(stores, record);
    if (mounted.length > 0) await copyImages(stores, record, containerPlaces(stores, id).directory);
    writeContainerRecord(containerPlaces(stores, id).directory, record);
    writeContainerEvent(stores.paths, 'create', record);
    return { record, network, warnings: [...resolved.warnings, ...network.warnings] };
  } catch (error) {
    await abandon(stores, id, name);
    throw error;
  }
}

/** The image as it lies in the store; a pod's holder is made of nothing. */
async function topOf(
  stores: ContainerStores,
  { pod }: RunOptions,
  image: ImageRecord,
): Promise<SnapshotRecord | undefined> {
  if (pod?.kind === 'holder') return undefined;
  return stores.snapshots.topOfImage(image.configDigest) ?? stores.unpack(image);
}

async function takeSecrets(
  stores: ContainerStores,
  { secrets = [] }: RunOptions,
): Promise<{ readonly taken: readonly TakenSecret[]; keep(directory: string): void }> {
  if (secrets.length === 0) return { taken: [], keep: () => undefined };
  const { keepSecrets, takeSecrets: take } = await import('./secrets.js');
  const taken = take(stores, secrets);
  return { taken, keep: (directory) => keepSecrets(directory, taken) };
}

type Request = {
  readonly stores: ContainerStores;
  readonly options: RunOptions;
  readonly image: ImageRecord;
  readonly id: string;
  readonly shared: SharedNetwork;
  readonly resolved: ResolvedOptions;
};

type Draft = {
  readonly record: Omit<ContainerRecord, 'name' | 'network' | 'snapshot'>;
  readonly network: (name: string, purpose: Purpose) => Promise<NetworkPlan>;
};

/** Addresses, and whether the other container runs, matter at the start. */
function plannedLater(mode: 'container' | 'bridge'): NetworkPlan {
  return { mode, address: undefined, records: [], warnings: [], files: {} };
}

/** Where the network is not the container's own alone. */
type SharedNetwork = Pick<ContainerRecord, 'networkContainer'> &
  Pick<NetworkedRecord, 'network'> & { readonly attachments?: readonly Attachment[] };

async function sharedNetwork(stores: ContainerStores, options: RunOptions): Promise<SharedNetwork> {
  if (options.networks !== undefined) {
    const { addAttachments } = await import('../network/attachment.js');
    const { NetworkStore } = await import('../network/network-store.js');
    const attachments = addAttachments(new NetworkStore(stores), [], options.networks);
    return { network: 'bridge', attachments };
  }
  if (options.networkContainer === undefined) return { network: options.network };
  const { networkOwner } = await import('./network-container.js');
  const owner = networkOwner(stores, options.networkContainer, options);
  return owner.network === 'host'
    ? { network: 'host' }
    : { network: 'container', networkContainer: owner.id };
}

/** What is only named is looked up; most containers name nothing of the kind, and load nothing for it. */
async function resolve(
  stores: ContainerStores,
  options: RunOptions,
  image: ImageRecord,
  facts: Pick<ResolveFacts, 'owner' | 'layers'>,
): Promise<ResolvedOptions> {
  const { namespaces, devices, timezone, userns, hostUsers, user, sysctls = {}, security } = options;
  const named = [namespaces, devices, timezone, userns, hostUsers, user, security?.apparmor, facts.owner];
  if (named.every((one) => one === undefined) && Object.keys(sysctls).length === 0) {
    return { options, warnings: [] };
  }
  const { resolveOptions } = await import('./resolve-options.js');
  return resolveOptions(stores, options, { ...facts, config: image.config.config ?? {} });
}

function namespacesOf({ sharedNamespaces, userContainer, userNamespace, accounts }: ResolvedOptions) {
  return {
    ...(sharedNamespaces === undefined ? {} : { sharedNamespaces }),
    ...(userContainer === undefined ? {} : { userContainer }),
    ...(userNamespace === undefined ? {} : { userNamespace }),
    ...(accounts === undefined ? {} : { accounts }),
  };
}

function decide({ stores, options, image, id, shared, resolved }: Request): Draft {
  const config: ContainerConfig = image.config.config ?? {};
  const line = mergeCommand(options, config, image.reference ?? image.id.slice(0, 12));
  const hostname =
    resolved.hostname ?? options.hostname ?? (shared.network === 'host' ? hostHostname() : id.slice(0, 12));
  const ports = assignHostPorts(options.publish ?? []);
  return {
    record: {
      version: 1,
      id,
      created: new Date().toISOString(),
      imageId: image.id,
      ...(image.reference === undefined ? {} : { imageReference: image.reference }),
      imageDigest: image.manifestDescriptor.digest,
      driver: stores.driver(resolved.userNamespace?.fuseOptions ? 'fuse-overlayfs' : options.storageDriver),
      options,
      process: mergeProcess(options, config, line, checkHostname(hostname)),
      ...line,
      capabilities: chooseCapabilities(options.capabilityAdd ?? [], options.capabilityDrop ?? []),
      ports,
      ...(shared.networkContainer === undefined ? {} : { networkContainer: shared.networkContainer }),
      ...namespacesOf(resolved),
      exposed: Object.keys(config.ExposedPorts ?? {}),
      volumes: volumesOf(stores, options, image),
      labels: { ...config.Labels, ...options.labels },
      hostname,
      stopSignal: parseSignal(options.stopSignal ?? config.StopSignal ?? defaultStopSignal),
      stopTimeout: options.stopTimeout ?? defaultStopTimeout,
      healthcheck: mergeHealthcheck(options.health, config.Healthcheck, config.Shell),
      autoRemove: options.remove ?? false,
      log: chooseLog(options, containerPlaces(stores, id).log),
    },
    network: async (name, purpose) =>
      shared.attachments !== undefined
        ? plannedLater('bridge')
        : purpose === 'start-later' && shared.networkContainer !== undefined
          ? plannedLater('container')
          : networkAtStart(stores, { ...shared, id, options, ports, hostname, name }),
  };
}

function volumesOf(stores: ContainerStores, options: RunOptions, image: ImageRecord): readonly VolumeUse[] {
  const own = options.imageVolumes === 'ignore' ? [] : imageVolumes(image);
  return requestVolumes(stores.paths, options.mounts ?? [], own);
}

function imageVolumes(image: ImageRecord): readonly string[] {
  return Object.keys(image.config.config?.Volumes ?? {});
}

function checkHostname(hostname: string): string {
  const label = '[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9_])?';
  if (hostname.length <= 64 && new RegExp(`^${label}(\\.${label})*$`).test(hostname)) return hostname;
  throw new CoracleError('USAGE', `set hostname "${hostname}": not a host name`, {
    hint: 'up to 64 letters, digits, dots and dashes',
  });
}

function makeDirectories(stores: ContainerStores, id: string): void {
  const places = containerPlaces(stores, id);
  try {
    ensureDirectory(stores.paths.containers);
    mkdirSync(places.directory, { mode: 0o700 });
    if (places.files !== places.directory) mkdirSync(places.files, { mode: 0o700 });
    mkdirSync(places.fs, { mode: 0o755 });
    mkdirSync(places.work, { mode: 0o700 });
  } catch (error) {
    throw ioError(`create container directory ${places.directory}`, error);
  }
}

async function keepAttachments(
  stores: ContainerStores,
  id: string,
  attachments: readonly Attachment[],
): Promise<void> {
  const { writeAttachments } = await import('./attachments.js');
  writeAttachments(containerPlaces(stores, id).directory, attachments);
}

/** Undoes what was made of a container that was not finished. */
async function abandon(stores: ContainerStores, id: string, name: string): Promise<void> {
  const { directory, files } = containerPlaces(stores, id);
  const trash = [...new Set([files, directory])].flatMap((path) => moveToTrash(stores.paths, path) ?? []);
  releaseName(stores.paths, name, id);
  for (const path of trash) await stores.removeTree(path);
}
