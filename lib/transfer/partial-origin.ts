/**
 * Layers that were put together from files of the store have no blob. Where it is to be had is remembered, for whoever needs the
 * blob as it is: a push to another registry, a copy, an archive.
 * `build/partial/<digest hex>.json`: `{"registry": ..., "repository": ..., "canonical": ...}`.
 */
import { join } from 'node:path';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestHex } from '../oci/digest.js';
import { requireObject, requireString } from '../oci/guards.js';

/** A repository that has a blob. */
export type PartialOrigin = {
  readonly registry: string;
  readonly repository: string;
  /** The layer's files give its tar again. */
  readonly canonical: boolean;
};

/** Remembers where a layer without a blob came from. */
export function rememberOrigin(paths: StorePaths, layer: Descriptor, origin: PartialOrigin): void {
  ensureDirectory(join(paths.build, 'partial'));
  const { registry, repository, canonical } = origin;
  writeFileAtomic(recordPath(paths, layer), `${JSON.stringify({ registry, repository, canonical })}\n`);
}

/** Where a layer without a blob came from; undefined for one that never was put together. */
export function originOf(paths: StorePaths, layer: Pick<Descriptor, 'digest'>): PartialOrigin | undefined {
  const path = recordPath(paths, layer);
  const value = readJson(path);
  if (value === undefined) return undefined;
  const record = requireObject(value, path);
  return {
    registry: requireString(record.registry, path),
    repository: requireString(record.repository, path),
    canonical: record.canonical === true,
  };
}

function recordPath(paths: StorePaths, { digest }: Pick<Descriptor, 'digest'>): string {
  return join(paths.build, 'partial', `${digestHex(digest)}.json`);
}
