/** A container's mounts from requests, volumes and files on this host. */
import { dirname, join } from 'node:path';
import { CoracleError } from '../errors.js';
import type { StorePaths } from '../host/paths.js';
import type { Mount, MountRequest } from '../sandbox/mount.js';
import {
  bindFile,
  combineMounts,
  defaultMounts,
  readonlyRootMounts,
  type SharedMemory,
} from '../sandbox/mounts.js';
import { requestedMount } from '../sandbox/requested-mount.js';
import { ContainerStore } from './container-store.js';
import { copiedImage } from './image-mounts.js';
import type { ContainerRecord } from './record.js';
import { checkManners, isDirectory, type MountFacts, mountFacts, writesFor } from './request-facts.js';
import { type ContainerStores, containerPlaces } from './stores.js';
import { isActive } from './view.js';
import { checkVolume, volumeMount } from './volume-uses.js';

type MountStores = Pick<ContainerStores, 'paths' | 'runtime'> & {
  readonly snapshots: Pick<ContainerStores['snapshots'], 'get' | 'layerPaths'>;
};

/** Fails early for what does not exist here and for destinations given twice. */
export function checkMounts(stores: MountStores, requests: readonly MountRequest[]): void {
  combineMounts(
    [],
    requests.map(({ destination }): Mount => ({ type: 'tmpfs', source: '', destination, options: [] })),
  );
  for (const request of requests) {
    if (request.type === 'bind') {
      isDirectory(request.source);
      checkManners(request.source, request);
    } else if (request.type === 'volume') {
      checkVolume(stores.paths, request);
      checkManners(stores.paths.root, request);
    }
  }
}

/** All mounts of a start; what they need is made where it is missing. */
export function containerMounts(stores: MountStores, record: ContainerRecord): Mount[] {
  const { options } = record;
  const { directory } = containerPlaces(stores, record.id);
  const facts = mountFacts({ id: record.id, directory });
  const sealed = options.readonlyRoot === true && options.readonlyTmpfs === false;
  const defaults = [
    ...defaultMounts(
      options.shmSize,
      sealed ? 'ro' : 'rw',
      sharedMemory(record),
      options.security?.procOptions,
    ),
    ...(options.readonlyRoot && !sealed ? readonlyRootMounts() : []),
    ...nameFiles(record, directory),
    ...(options.timezone === undefined ? [] : [timeFile(options.timezone)]),
  ];
  const volumes = record.volumes.map((use) => volumeMount(stores.paths, use, facts));
  refuseSharedMemory(stores.paths, record, volumes);
  const others = (options.mounts ?? [])
    .filter(({ type }) => type !== 'volume')
    .map((request) =>
      request.type === 'image'
        ? imageMount(stores, record, request)
        : requestedMount(request, factsOf(request, facts)),
    );
  const mounts = combineMounts(defaults, [...volumes, ...others]);
  if (record.driver === 'copy') refuseOverlays(mounts);
  return mounts;
}

function sharedMemory({ options, sharedNamespaces }: ContainerRecord): SharedMemory {
  if (sharedNamespaces?.ipc !== undefined) return 'neighbour';
  const mode = options.namespaces?.ipc?.mode;
  return mode === 'host' || mode === 'none' ? mode : 'own';
}

function timeFile(source: string): Mount {
  return { ...bindFile(source, '/etc/localtime'), options: ['ro', 'nosuid', 'nodev', 'create=file'] };
}

function nameFiles({ options, networkContainer }: ContainerRecord, directory: string): Mount[] {
  const names = networkContainer === undefined ? directory : join(dirname(directory), networkContainer);
  const { dns = [], noHosts = false, noHostname = false } = options;
  return [
    ...(dns[0] === 'none' ? [] : [bindFile(`${names}/resolv.conf`, '/etc/resolv.conf')]),
    ...(noHosts ? [] : [bindFile(`${names}/hosts`, '/etc/hosts')]),
    ...(noHostname ? [] : [bindFile(`${directory}/hostname`, '/etc/hostname')]),
  ];
}

/** Memory belongs to the mount namespace of one container: another one would see its own. */
function refuseSharedMemory(
  paths: StorePaths,
  { id, volumes }: ContainerRecord,
  mounts: readonly Mount[],
): void {
  const names = volumes.filter((_, index) => mounts[index]?.type === 'tmpfs').map(({ name }) => name);
  if (names.length === 0) return;
  for (const { record, status } of new ContainerStore(paths).list()) {
    const shared = record.volumes.find(({ name }) => names.includes(name));
    if (record.id === id || shared === undefined || !isActive({ status })) continue;
    throw new CoracleError('IN_USE', `mount volume ${shared.name}: it is memory, which ${record.name} has`, {
      hint: 'containers share a volume on the disk; memory is for one at a time',
    });
  }
}

function factsOf(request: MountRequest, facts: MountFacts): ReturnType<MountFacts> {
  return request.type === 'bind' ? { ...facts(request), sourceIsDirectory: isDirectory(request.source) } : {};
}

function imageMount(
  stores: MountStores,
  record: ContainerRecord,
  request: Extract<MountRequest, { readonly type: 'image' }>,
): Mount {
  const { destination, readonly } = request;
  const use = record.images?.find((image) => image.destination === destination);
  const { directory } = containerPlaces(stores, record.id);
  if (record.driver === 'copy') {
    return requestedMount(request, { copied: copiedImage(directory, destination) });
  }
  const top = use?.snapshot === undefined ? undefined : stores.snapshots.get(use.snapshot);
  if (top === undefined) {
    throw new CoracleError('NOT_FOUND', `mount image ${request.image}: its layers are gone`, {
      hint: 'it was removed by force: remove the container and make it again',
    });
  }
  const upper = readonly ? undefined : writesFor(directory, destination);
  return requestedMount(request, { layers: stores.snapshots.layerPaths(top), upper });
}

/** Copies serve where directories cannot be stacked. */
function refuseOverlays(mounts: readonly Mount[]): void {
  const overlay = mounts.find(({ type }) => type === 'overlay');
  if (overlay === undefined) return;
  throw new CoracleError('HOST', `mount ${overlay.destination}: the option O needs an overlay`, {
    hint: 'coracle doctor says why this store does not have it; a named volume can be written to',
  });
}
