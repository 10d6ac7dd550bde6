/** Which containers and build cache records keep images and snapshots alive, read from their records on disk. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { readJson } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { containerRooms } from '../host/using-roots.js';
import { optional, requireArray, requireObject, type UnknownRecord } from '../oci/guards.js';
import { isSnapshotId, parseSnapshotId, type SnapshotId } from '../snapshot/record.js';

/** What a container holds on to. */
export type ContainerUse = {
  readonly container: string;
  readonly snapshot?: SnapshotId;
  /** The image id, if its record names it. */
  readonly imageId?: string;
};

/**
 * What the containers use, by `containers/<id>/container.json`, and those that images are made in, by
 * `working/<id>/working.json`.
 * @throws INVALID for a damaged record: guessing could take a container's files away.
 */
export function containerUses(paths: StorePaths): readonly ContainerUse[] {
  return [
    ...containerRooms(paths).flatMap((room) => usesBelow(room, 'container.json')),
    ...usesBelow(paths.working, 'working.json'),
  ];
}

function usesBelow(directory: string, record: string): readonly ContainerUse[] {
  const uses: ContainerUse[] = [];
  for (const container of namesIn(directory)) {
    const path = join(directory, container, record);
    const value = container.startsWith('.') ? undefined : readJson(path);
    if (value === undefined) continue;
    const own = requireObject(value, path);
    // The images that it mounts are in use like its own.
    const mounted = optional(own.images, `${path}: images`, requireArray) ?? [];
    const all = [{ imageId: baseId(value), ...own }, ...mounted.map((one) => requireObject(one, path))];
    for (const { snapshot, imageId } of all as readonly UnknownRecord[]) {
      uses.push({
        container,
        ...(snapshot === undefined ? {} : { snapshot: parseSnapshotId(snapshot, `${path}: snapshot`) }),
        ...(typeof imageId === 'string' ? { imageId } : {}),
      });
    }
  }
  return uses;
}

function baseId(value: unknown): unknown {
  const base = typeof value === 'object' && value !== null && 'base' in value ? value.base : undefined;
  return typeof base === 'object' && base !== null && 'id' in base ? base.id : undefined;
}

/** The snapshots the build cache would reuse. Records that cannot be read are misses, not references. */
export function cachedSnapshots(paths: StorePaths): readonly SnapshotId[] {
  const directory = join(paths.build, 'cache');
  return namesIn(directory)
    .filter((name) => name.endsWith('.json'))
    .map((name) => snapshotIn(readJson(join(directory, name))))
    .filter(isSnapshotId);
}

function snapshotIn(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'snapshot' in value ? value.snapshot : undefined;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw ioError(`read ${directory}`, error);
  }
}
