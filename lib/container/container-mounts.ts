/** A container's mounts from requests, volumes and files on this host. */
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { StorePaths } from '../host/paths.js';
import type { Mount, MountRequest } from '../sandbox/mount.js';
import {
  bindFile,
  combineMounts,
  defaultMounts,
  readonlyRootMounts,
  requestedMount,
} from '../sandbox/mounts.js';
import { parseVolumeOptions, type VolumeBacking } from '../volume/volume-options.js';
import { isEmptyDirectory, VolumeStore } from '../volume/volume-store.js';
import type { ContainerRecord, VolumeUse } from './record.js';

/** Fails early for bind sources that do not exist and destinations given twice. */
export function checkMounts(requests: readonly MountRequest[]): void {
  combineMounts(
    [],
    requests.map(({ destination }): Mount => ({ type: 'tmpfs', source: '', destination, options: [] })),
  );
  for (const request of requests) if (request.type === 'bind') isDirectory(request.source);
}

/** The volumes a container will use; those of the image are anonymous unless something else is mounted there. */
export function requestVolumes(
  paths: StorePaths,
  requests: readonly MountRequest[],
  imageVolumes: readonly string[],
): VolumeUse[] {
  const store = new VolumeStore(paths);
  const taken = new Set(requests.map(({ destination }) => destination));
  const asked = requests.flatMap((request) =>
    request.type === 'volume'
      ? [{ ...request, name: request.name ?? store.anonymousName(), anonymous: request.name === undefined }]
      : [],
  );
  const own = imageVolumes
    .filter((destination) => destination.startsWith('/') && destination !== '/' && !taken.has(destination))
    .map((destination) => ({
      name: store.anonymousName(),
      destination,
      readonly: false,
      copy: true,
      anonymous: true,
    }));
  return [...asked, ...own].map(({ name, destination, readonly, copy, anonymous }) => ({
    name,
    destination,
    readonly,
    copy,
    anonymous,
  }));
}

/** All mounts of a start, volumes made where missing. `directory` holds the name files; a shared network's are its owner's. */
export function containerMounts(paths: StorePaths, record: ContainerRecord, directory: string): Mount[] {
  const { options } = record;
  const store = new VolumeStore(paths);
  const defaults = [
    ...defaultMounts(options.shmSize),
    ...(options.readonlyRoot && options.readonlyTmpfs !== false ? readonlyRootMounts() : []),
    ...nameFiles(record, directory),
  ];
  const volumes = record.volumes.map((use) => volumeMount(store, use));
  const others = (options.mounts ?? []).filter(({ type }) => type !== 'volume');
  return combineMounts(defaults, [...volumes, ...others.map(otherMount)]);
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

function volumeMount(store: VolumeStore, use: VolumeUse): Mount {
  const volume = store.ensure(use.name, { anonymous: use.anonymous });
  const backing = parseVolumeOptions(volume.options);
  const { destination } = use;
  const common = {
    destination,
    readonly: use.readonly || ('readonly' in backing && backing.readonly === true),
  };
  const copy = use.copy && backing.nocopy !== true;
  switch (backing.kind) {
    case 'directory':
      return requestedMount(
        { type: 'volume', ...use, copy },
        { volumePath: volume.data, volumeEmpty: copy && isEmptyDirectory(volume.data) },
      );
    case 'bind': {
      const { device: source, recursive, noexec } = backing;
      const sourceIsDirectory = isDirectory(source);
      return requestedMount(
        { type: 'bind', source, recursive, exec: noexec !== true, ...common },
        { sourceIsDirectory },
      );
    }
    case 'tmpfs':
      return tmpfsVolume(backing, { ...common, copy });
  }
}

function tmpfsVolume(
  { size, mode, noexec }: Extract<VolumeBacking, { kind: 'tmpfs' }>,
  { copy, ...common }: { readonly destination: string; readonly readonly: boolean; readonly copy: boolean },
): Mount {
  return requestedMount({ type: 'tmpfs', size, mode, exec: noexec !== true, copyUp: copy, ...common }, {});
}

function otherMount(request: MountRequest): Mount {
  return requestedMount(
    request,
    request.type === 'bind' ? { sourceIsDirectory: isDirectory(request.source) } : {},
  );
}

function isDirectory(source: string): boolean {
  try {
    return statSync(source).isDirectory();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw ioError(`bind ${source}`, error);
    throw new CoracleError('NOT_FOUND', `bind ${source}: no such file or directory`, {
      cause: error,
      hint: 'make it first, or use a volume: a name instead of a path',
    });
  }
}
