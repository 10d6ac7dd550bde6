/** What a container mounts beyond what was written out: what fits patterns, what other containers have, what its image asks for. */
import type { StorePaths } from '../host/paths.js';
import type { MountRequest } from '../sandbox/mount.js';
import { markShared } from '../volume/shared-volumes.js';
import { ContainerStore } from './container-store.js';
import { expandGlob } from './expand-glob.js';
import type { RunOptions, VolumesFrom } from './run-options.js';

/**
 * All mounts that are asked for, each by itself. One that was written out takes the place of one from another container, and
 * both that of a VOLUME of the image.
 * @throws NOT_FOUND for containers and patterns.
 */
export function completeMounts(
  paths: StorePaths,
  { mounts = [], volumesFrom = [], imageVolumes }: RunOptions,
  volumesOfImage: readonly string[],
): readonly MountRequest[] {
  const own = mounts.flatMap((request) => (request.type === 'glob' ? expandGlob(request) : [request]));
  const taken = new Set(own.map(({ destination }) => destination));
  const further: MountRequest[] = [];
  const add = (request: MountRequest): void => {
    if (taken.has(request.destination)) return;
    taken.add(request.destination);
    further.push(request);
  };
  for (const from of volumesFrom) for (const request of inherited(paths, from)) add(request);
  if (imageVolumes === 'tmpfs') for (const destination of volumesOfImage) add(memoryAt(destination));
  const all = [...own, ...further];
  for (const request of further) if (request.type === 'volume') markShared(paths, request.name ?? '');
  return all;
}

/** The volumes and binds of another container. What it may not write, nobody may that takes it over. */
function inherited(paths: StorePaths, from: VolumesFrom): readonly MountRequest[] {
  const { record } = new ContainerStore(paths).resolve(from.container);
  const binds = (record.options.mounts ?? []).filter(({ type }) => type === 'bind');
  const volumes = record.volumes.map(
    ({ anonymous, ...use }): MountRequest => ({
      type: 'volume',
      ...use,
      ...(anonymous ? { anonymous: true } : {}),
    }),
  );
  return [...volumes, ...binds].map((request) => ({
    ...request,
    ...(from.readonly === true ? { readonly: true } : {}),
    ...(from.relabel === undefined ? {} : { relabel: from.relabel }),
  }));
}

function memoryAt(destination: string): MountRequest {
  return {
    type: 'tmpfs',
    destination,
    readonly: false,
    size: undefined,
    mode: undefined,
    exec: true,
    copyUp: true,
  };
}
