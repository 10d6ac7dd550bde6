/**
 * What the build cache holds: layers, the contents of cache mounts, and what is known of contexts' files. Counted from disk each
 * time.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { openInStore, type Stores } from '../image/stores.js';
import { countReferences } from '../image/sweep.js';
import type { Agent } from '../native/agent.js';
import type { SnapshotId, SnapshotRecord } from '../snapshot/record.js';
import { BuildCache, type CacheRecord } from './cache.js';
import type { CacheUnit } from './cache-unit.js';

/** Everything the cache holds. Damaged records are no records. */
export async function listCacheUnits(stores: Stores): Promise<readonly CacheUnit[]> {
  return [...(await layerUnits(stores)), ...contextUnits(stores)];
}

/** Forgets a unit. A layer's files go with the next sweep, a file at once. */
export function forgetCacheUnit(stores: Stores, unit: CacheUnit, records: readonly CacheRecord[]): void {
  switch (unit.kind) {
    case 'regular': {
      const cache = openCache(stores);
      for (const { key, snapshot } of records) if (snapshot === unit.id) cache.remove(key);
      return;
    }
    case 'source.local':
      rmSync(join(contextsDirectory(stores), unit.id), { force: true });
      return;
    case 'exec.cachemount':
      return;
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
  #agent: Promise<Agent> | undefined;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  async of(record: SnapshotRecord): Promise<number> {
    return record.size ?? record.bytes ?? (await this.#measure(record));
  }

  async #measure({ id }: SnapshotRecord): Promise<number> {
    const { paths, snapshots } = this.#stores;
    this.#agent ??= this.#stores.openAgent();
    const agent = await this.#agent;
    const handle = await openInStore(agent, paths, snapshots.layerPath(id));
    const counted = new Set<string>();
    let bytes = 0;
    for await (const event of agent.walk(handle, '.', { raw: true })) {
      if (event.kind !== 'entry') continue;
      const { type, size, dev, ino, nlink } = event.entry;
      const key = `${dev}:${ino}`;
      if (type !== 'file' || counted.has(key)) continue;
      if (nlink > 1) counted.add(key);
      bytes += size;
    }
    await agent.release(handle);
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

function contextsDirectory({ paths }: Stores): string {
  return join(paths.build, 'contexts');
}

function contextUnits(stores: Stores): readonly CacheUnit[] {
  const directory = contextsDirectory(stores);
  return namesIn(directory).flatMap((id): CacheUnit[] => {
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

/** The names in a directory; none where there is no directory. */
export function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError(`read ${directory}`, error);
  }
}
