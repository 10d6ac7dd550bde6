/** The verbs of volumes: names resolved, uses found, trees made, read and removed by the file agent. */
import { allContainers, isElsewhere } from '../container/all-containers.js';
import { copyIn, copyOut } from '../container/copy.js';
import { openHostPlace } from '../container/copy-place.js';
import { removeContainer, stopContainer } from '../container/lifecycle.js';
import { type ContainerView, isActive } from '../container/view.js';
import { CoracleError } from '../errors.js';
import { writeOutput } from '../host/output-file.js';
import { inStore } from '../image/stores.js';
import { diskBytes } from '../image/tree-bytes.js';
import { decompress } from '../layer/compression.js';
import { writeEvent } from '../native/journal.js';
import { type ArchiveSource, openSource } from '../transfer/archive-source.js';
import { limitDirectory } from '../volume/project-quota.js';
import { parseVolumeOptions, type VolumeBacking } from '../volume/volume-options.js';
import { type UnfinishedVolume, type Volume, VolumeStore } from '../volume/volume-store.js';
import type { AllStores, Session } from './session.js';

/** A volume and who uses it. */
export type VolumeView = Volume & {
  readonly backing: VolumeBacking;
  /** Where its files are on this host: its directory, or the device that it stands for; empty for memory. */
  readonly mountpoint: string;
  /** Names of the containers that have it. */
  readonly containers: readonly string[];
  /** How many of them run. */
  readonly mounts: number;
};

export type CreateVolumeRequest = {
  /** A generated one if there is none. */
  readonly name?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
  /** One that has the name is no error. */
  readonly ignore?: boolean | undefined;
};

export type RemoveVolumeRequest = {
  /** Containers that use it go first. */
  readonly force?: boolean | undefined;
  /** With `force`: seconds they have to end by themselves. */
  readonly timeout?: number | undefined;
};

/** Makes a volume. @throws CONFLICT when the name is taken, UNSUPPORTED and USAGE for options, HOST for a size that nobody keeps. */
export async function createVolume(session: Session, request: CreateVolumeRequest): Promise<string> {
  const stores = await session.allStores();
  const store = new VolumeStore(stores.paths);
  const name = request.name ?? store.anonymousName();
  const backing = parseVolumeOptions(request.options);
  if (store.get(name) !== undefined) return known(name, request);
  const begun = store.begin(name);
  try {
    if (backing.kind === 'directory') await prepare(stores, begun, backing);
  } catch (error) {
    store.abandon(begun);
    throw error;
  }
  const { labels, options } = request;
  const made = store.finish(begun, { labels, options, anonymous: request.name === undefined });
  return made === undefined ? known(name, request) : name;
}

function known(name: string, { ignore }: CreateVolumeRequest): string {
  if (ignore === true) return name;
  throw new CoracleError('CONFLICT', `create volume ${name}: there is one of this name`, {
    hint: '--ignore takes it as it is',
  });
}

async function prepare(
  stores: AllStores,
  { name, data }: UnfinishedVolume,
  { uid, gid, mode, ...limits }: Extract<VolumeBacking, { kind: 'directory' }>,
): Promise<void> {
  limitDirectory(name, data, limits);
  if (uid === undefined && gid === undefined && mode === undefined) return;
  const map = stores.idMap();
  for (const [kind, id] of [
    ['uid', uid],
    ['gid', gid],
  ] as const) {
    const isMapped = map[kind].some(
      ({ container, size }) => id !== undefined && id >= container && id < container + size,
    );
    if (id === undefined || isMapped) continue;
    throw new CoracleError('HOST', `create volume ${name}: containers have no ${kind} ${id} here`, {
      hint: `/etc/sub${kind} says which ids this user has for containers`,
    });
  }
  const agent = await stores.openAgent();
  const owner = uid === undefined && gid === undefined ? {} : { owner: { uid: uid ?? 0, gid: gid ?? 0 } };
  await agent.setMeta(...inStore(agent, stores.paths, data), {
    ...owner,
    ...(mode === undefined ? {} : { mode }),
  });
  await agent.sync();
}

/** All volumes, in the order of their names. */
export async function listVolumes(session: Session): Promise<readonly VolumeView[]> {
  const { paths } = await session.stores();
  const containers = allContainers(paths);
  return new VolumeStore(paths).list().map((volume) => viewOf(volume, containers));
}

/** A volume by its name or the beginning of it. @throws NOT_FOUND */
export async function findVolume(session: Session, name: string): Promise<VolumeView> {
  const { paths } = await session.stores();
  return viewOf(new VolumeStore(paths).resolve(name), allContainers(paths));
}

export async function volumeExists(session: Session, name: string): Promise<boolean> {
  return new VolumeStore((await session.stores()).paths).find(name)?.name === name;
}

function viewOf(volume: Volume, containers: readonly ContainerView[]): VolumeView {
  const users = usersOf(volume.name, containers);
  const backing = parseVolumeOptions(volume.options);
  return {
    ...volume,
    backing,
    mountpoint: backing.kind === 'bind' ? backing.device : backing.kind === 'tmpfs' ? '' : volume.data,
    containers: users.map(({ record }) => record.name),
    mounts: users.filter((view) => isActive(view)).length,
  };
}

function usersOf(name: string, containers: readonly ContainerView[]): readonly ContainerView[] {
  return containers.filter(({ record }) => record.volumes.some((use) => use.name === name));
}

/** Removes a volume and resolves with its name. @throws NOT_FOUND, IN_USE while a container has it */
export async function removeVolume(
  session: Session,
  text: string,
  { force = false, timeout }: RemoveVolumeRequest,
): Promise<string> {
  const stores = await session.allStores();
  const store = new VolumeStore(stores.paths);
  const { name } = store.resolve(text);
  const users = usersOf(name, allContainers(stores.paths));
  const elsewhere = users.filter((view) => isElsewhere(stores.paths, view));
  if (elsewhere.length > 0) throw usedElsewhere(stores.paths, name, elsewhere);
  if (users.length > 0 && !force) throw inUse(name, users);
  for (const view of users) {
    await stopContainer(stores, view, { timeout });
    await removeContainer(stores, view, { force, volumes: true });
  }
  const trash = store.detach(name);
  if (trash !== undefined) await stores.removeTree(trash);
  return name;
}

function inUse(name: string, users: readonly ContainerView[]): CoracleError {
  const names = users.map(({ record }) => record.name).join(', ');
  return new CoracleError('IN_USE', `remove volume ${name}: used by ${names}`, {
    hint: `remove the containers first, or all at once with coracle volume rm -f ${name}`,
  });
}

/** Containers that this session cannot stop, as it does not see their records. */
function usedElsewhere(
  { layers }: AllStores['paths'],
  name: string,
  users: readonly ContainerView[],
): CoracleError {
  const names = users.map(({ record }) => record.name).join(', ');
  const hint =
    layers === undefined
      ? 'they are transient: remove them with coracle --transient-store rm first'
      : 'they are not of this transient store: remove them without --transient-store, or by whom they belong to, first';
  return new CoracleError('IN_USE', `remove volume ${name}: used by ${names}`, { hint });
}

/** Takes away volumes that no container has and `wanted` agrees to; the bytes that this freed. */
export async function pruneVolumes(
  session: Session,
  wanted: (volume: VolumeView) => boolean,
): Promise<{ readonly removed: readonly string[]; readonly bytes: number }> {
  const stores = await session.allStores();
  const store = new VolumeStore(stores.paths);
  const removed: string[] = [];
  let bytes = 0;
  for (const volume of await listVolumes(session)) {
    if (volume.containers.length > 0 || !wanted(volume)) continue;
    const size = await diskBytes(stores, volume.directory);
    const trash = store.detach(volume.name);
    if (trash === undefined) continue;
    await stores.removeTree(trash);
    removed.push(volume.name);
    bytes += size;
  }
  writeEvent(stores.paths, 'volume', 'prune', { attributes: { reclaimed: `${bytes}` } });
  return { removed, bytes };
}

/** Writes a volume's files as a tar to a path, or to standard output for `-`. */
export async function exportVolume(session: Session, name: string, destination: string): Promise<void> {
  const stores = await session.allStores();
  const volume = await findVolume(session, name);
  const place = openHostPlace(stores, `${directoryOf('export', volume)}/.`, false);
  try {
    const options = { archive: true, followLink: false, overwrite: false, onWarning: () => undefined };
    await writeOutput(destination, copyOut(place, options));
    writeEvent(stores.paths, 'volume', 'export', { name: volume.name });
  } finally {
    await place.close();
  }
}

/** Unpacks a tar over a volume's files; what it does not name stays. The tar may be compressed. */
export async function importVolume(
  session: Session,
  name: string,
  source: ArchiveSource,
  onWarning: (text: string) => void = () => undefined,
): Promise<void> {
  const stores = await session.allStores();
  const volume = await findVolume(session, name);
  const place = openHostPlace(stores, `${directoryOf('import', volume)}/.`, true);
  try {
    const options = { archive: true, followLink: false, overwrite: true, onWarning };
    await copyIn(decompress(openSource(source), 'auto'), place, stores.idMap(), options);
    writeEvent(stores.paths, 'volume', 'import', { name: volume.name });
  } finally {
    await place.close();
  }
}

/** Where a volume's files are on this host. @throws UNSUPPORTED for memory */
export async function mountedVolume(
  session: Session,
  name: string,
  verb: 'mount' | 'unmount',
): Promise<VolumeView> {
  const volume = await findVolume(session, name);
  directoryOf(verb, volume);
  writeEvent((await session.stores()).paths, 'volume', verb, { name: volume.name });
  return volume;
}

function directoryOf(verb: string, { name, backing, mountpoint }: VolumeView): string {
  if (backing.kind !== 'tmpfs') return mountpoint;
  throw new CoracleError('UNSUPPORTED', `${verb} volume ${name}: it is memory, which only its container has`);
}
