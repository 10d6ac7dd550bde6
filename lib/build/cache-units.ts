/**
 * What the build cache holds: layers, the contents of cache mounts, and what is known of contexts' files. Counted from disk each
 * time.
 */

import { existsSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { namesIn } from '../host/files.js';
import type { Stores } from '../image/stores.js';
import { countReferences } from '../image/sweep.js';
import { treeBytes } from '../image/tree-bytes.js';
import type { SnapshotId, SnapshotRecord } from '../snapshot/record.js';
import { BuildCache, type CacheRecord } from './cache.js';
import { CacheMounts } from './cache-mounts.js';
import type { CacheUnit } from './cache-unit.js';

/** Everything the cache holds. Damaged records are no records. */
export async function listCacheUnits(stores: Stores): Promise<readonly CacheUnit[]> {
  return [...(await layerUnits(stores)), ...(await mountUnits(stores)), ...contextUnits(stores)];
}

/**
 * Forgets a unit. A layer's files go with the next sweep, others at once.
 * @returns false for a cache mount that a build is using: it stays.
 */
export function forgetCacheUnit(stores: Stores, unit: CacheUnit, records: readonly CacheRecord[]): boolean {
  switch (unit.kind) {
    case 'regular': {
      const cache = openCache(stores);
      for (const { key, snapshot } of records) if (snapshot === unit.id) cache.remove(key);
      return true;
    }
    case 'source.local':
      rmSync(join(contextsDirectory(stores), unit.id), { force: true });
      return true;
    case 'exec.cachemount':
      return new CacheMounts(stores.paths, stores.locks).remove(unit.id);
  }
}

/** The cache of a store. */
export function openCache(stores: Stores): BuildCache {
  return new BuildCache(`${stores.paths.build}/cache`, stores.snapshots);
}

type Layer = { record: SnapshotRecord; step: CacheRecord | undefined; lastUsed: number };

async function layerUnits(stores: Stores): Promise<readonly CacheUnit[]> {
  const cache = openCache(stores);
  const layers = new Map<SnapshotId, Layer>();
  for (const step of cache.list()) addStep(layers, stores, step, cache.lastUsed(step.key) ?? 0);
  const { snapshots: kept } = await countReferences(stores, { buildCache: 'drop' });
  const sizes = new LayerSizes(stores);
  const units: CacheUnit[] = [];
  for (const [id, { record, step, lastUsed }] of layers) {
    // A base's layers that images need are the images'; they are the cache's once only it keeps them.
    if (step === undefined && kept.has(id)) continue;
    units.push({
      id,
      kind: 'regular',
      description: step?.instruction ?? record.comment ?? 'layer of a base image',
      bytes: await sizes.of(record),
      created: Date.parse(record.created),
      lastUsed,
      depth: record.lowers.length,
      reclaimable: !kept.has(id),
    });
  }
  return units;
}

/** A step's snapshot and all it lies on were used when the step was. */
function addStep(layers: Map<SnapshotId, Layer>, stores: Stores, step: CacheRecord, lastUsed: number): void {
  const top = step.snapshot === undefined ? undefined : stores.snapshots.get(step.snapshot);
  for (const id of top?.lowers ?? []) {
    const known = layers.get(id);
    const record = known?.record ?? stores.snapshots.get(id);
    if (record === undefined) continue;
    const own = id === top?.id && step.madeLayer ? step : known?.step;
    layers.set(id, { record, step: own, lastUsed: Math.max(known?.lastUsed ?? 0, lastUsed) });
  }
}

/** Bytes of layers' files: measured by a walk where nobody knows them, and then remembered. */
class LayerSizes {
  readonly #stores: Stores;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  async of(record: SnapshotRecord): Promise<number> {
    return record.size ?? record.bytes ?? (await this.#measure(record));
  }

  async #measure({ id }: SnapshotRecord): Promise<number> {
    const bytes = await treeBytes(this.#stores, this.#stores.snapshots.layerPath(id));
    this.#remember(id, bytes);
    return bytes;
  }

  /** On a full disk it is counted again next time. */
  #remember(id: SnapshotId, bytes: number): void {
    try {
      this.#stores.snapshots.describe(id, { bytes });
    } catch (error) {
      if (!(error instanceof CoracleError) || error.code !== 'NO_SPACE') throw error;
    }
  }
}

async function mountUnits(stores: Stores): Promise<readonly CacheUnit[]> {
  const units: CacheUnit[] = [];
  for (const { name: id, data, record } of new CacheMounts(stores.paths, stores.locks).list()) {
    units.push({
      id,
      kind: 'exec.cachemount',
      description: `cache mount ${record.identity.id}`,
      bytes: existsSync(data) ? await treeBytes(stores, data) : 0,
      created: Date.parse(record.created),
      lastUsed: Date.parse(record.lastUsed),
      depth: 0,
      reclaimable: true,
    });
  }
  return units;
}

function contextsDirectory({ paths }: Stores): string {
  return join(paths.build, 'contexts');
}

function contextUnits(stores: Stores): readonly CacheUnit[] {
  const directory = contextsDirectory(stores);
  return [...namesIn(directory)].sort().flatMap((id): CacheUnit[] => {
    const found = statSync(join(directory, id), { throwIfNoEntry: false });
    if (found === undefined) return [];
    const { size: bytes, mtimeMs: lastUsed } = found;
    const description = 'digests of the files of a build context';
    return [
      {
        id,
        kind: 'source.local',
        description,
        bytes,
        created: found.birthtimeMs,
        lastUsed,
        depth: 0,
        reclaimable: true,
      },
    ];
  });
}
