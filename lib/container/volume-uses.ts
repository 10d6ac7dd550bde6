/** Which volumes a container has, and the mounts they become. */
import { CoracleError } from '../errors.js';
import type { StorePaths } from '../host/paths.js';
import type { Mount, MountRequest } from '../sandbox/mount.js';
import { requestedMount } from '../sandbox/requested-mount.js';
import { parseVolumeOptions, type VolumeBacking } from '../volume/volume-options.js';
import { type Volume, VolumeStore } from '../volume/volume-store.js';
import type { VolumeUse } from './record.js';
import { isDirectory, type MountFacts } from './request-facts.js';

/** The volumes a container will use; those of the image are anonymous unless something else is mounted there. */
export function requestVolumes(
  paths: StorePaths,
  requests: readonly MountRequest[],
  imageVolumes: readonly string[],
): VolumeUse[] {
  const store = new VolumeStore(paths);
  const taken = new Set(requests.map(({ destination }) => destination));
  const asked = requests.flatMap((request): VolumeUse[] => {
    if (request.type !== 'volume') return [];
    const { type: _, name, anonymous, ...use } = request;
    return [
      { ...use, name: name ?? store.anonymousName(), anonymous: anonymous === true || name === undefined },
    ];
  });
  const own = imageVolumes
    .filter((destination) => destination.startsWith('/') && destination !== '/' && !taken.has(destination))
    .map((destination) => ({
      name: store.anonymousName(),
      destination,
      readonly: false,
      copy: true,
      anonymous: true,
    }));
  return [...asked, ...own];
}

/** @throws NOT_FOUND for one that was to be there, UNSUPPORTED for its options. */
export function checkVolume(paths: StorePaths, request: Extract<MountRequest, { type: 'volume' }>): void {
  const { name, existing, options } = request;
  if (options !== undefined) parseVolumeOptions(options);
  const volume = name === undefined ? undefined : new VolumeStore(paths).get(name);
  if (existing === true && volume === undefined) throw missing(name ?? '');
  const backing = parseVolumeOptions(volume?.options ?? options);
  if (backing.kind === 'tmpfs' && (request.subpath !== undefined || request.overlay !== undefined)) {
    throw new CoracleError(
      'UNSUPPORTED',
      `mount volume ${name}: it is memory, which has no parts to choose from`,
    );
  }
}

function missing(name: string): CoracleError {
  return new CoracleError('NOT_FOUND', `mount volume ${name}: no such volume`, {
    hint: `make it first: coracle volume create ${name}`,
  });
}

/** The volume of a use, made where it is missing. @throws NOT_FOUND where it was to be there */
export function volumeOf(paths: StorePaths, use: VolumeUse): Volume {
  const store = new VolumeStore(paths);
  const { name, anonymous, labels, options } = use;
  if (use.existing !== true) return store.ensure(name, { anonymous, labels, options });
  const found = store.get(name);
  if (found === undefined) throw missing(name);
  return found;
}

/** The mount of a use. */
export function volumeMount(paths: StorePaths, use: VolumeUse, facts: MountFacts): Mount {
  const volume = volumeOf(paths, use);
  const backing = parseVolumeOptions(volume.options);
  const readonly = use.readonly || ('readonly' in backing && backing.readonly === true);
  const copy = use.copy && backing.nocopy !== true;
  const noexec = use.noexec === true || ('noexec' in backing && backing.noexec === true);
  switch (backing.kind) {
    case 'directory': {
      const { anonymous: _, ...rest } = use;
      return requestedMount(
        { type: 'volume', ...rest, readonly, copy },
        {
          ...facts(use),
          volumePath: volume.data,
          volumeOwned: isOwned(backing),
        },
      );
    }
    case 'bind':
      return hostMount(backing, { ...use, readonly, noexec: noexec ? true : undefined }, facts);
    case 'tmpfs': {
      const { size, inodes, mode, uid, gid } = backing;
      const { destination } = use;
      return requestedMount(
        {
          type: 'tmpfs',
          destination,
          readonly,
          size,
          mode,
          exec: !noexec,
          copyUp: copy,
          ...(uid === undefined ? {} : { uid }),
          ...(gid === undefined ? {} : { gid }),
          ...(inodes === undefined ? {} : { inodes }),
          ...(use.chown === true ? { chown: true } : {}),
        },
        {},
      );
    }
  }
}

function isOwned({ uid, gid, mode }: Extract<VolumeBacking, { kind: 'directory' }>): boolean {
  return uid !== undefined || gid !== undefined || mode !== undefined;
}

/** A directory of this host under the name of a volume. */
function hostMount(
  { device, recursive }: Extract<VolumeBacking, { kind: 'bind' }>,
  use: Omit<VolumeUse, 'noexec'> & { readonly noexec: true | undefined },
  facts: MountFacts,
): Mount {
  const sourceIsDirectory = isDirectory(device);
  const { noexec, subpath, name: _name, anonymous: _anonymous, copy: _copy, ...rest } = use;
  const mount = requestedMount(
    { type: 'bind', source: device, recursive, exec: noexec !== true, ...rest },
    { ...facts(use), sourceIsDirectory },
  );
  if (subpath === undefined) return mount;
  return {
    ...mount,
    inside: subpath,
    options: mount.options.filter((option) => !option.startsWith('create=')),
  };
}
