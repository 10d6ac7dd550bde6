/** `builder prune`: the cache forgets what a policy chooses, and what nothing else keeps is freed. Needs no free space. */
import { statfsSync } from 'node:fs';
import type { Stores } from '../image/stores.js';
import { sweep } from '../image/sweep.js';
import type { CacheUnit } from './cache-unit.js';
import { forgetCacheUnit, listCacheUnits, openCache } from './cache-units.js';
import { choosePruned, type PrunePolicy } from './prune-choice.js';
import { pruneNotes } from './prune-notes.js';

export type PruneResult = {
  readonly pruned: readonly CacheUnit[];
  /** Bytes freed by now. */
  readonly bytes: number;
  /** Layers were forgotten but not freed, because a build or a pull is under way; the next prune frees them. */
  readonly busy: boolean;
  /** Damaged records that keep unreferenced files from being freed. */
  readonly problems: readonly string[];
};

/** Prunes by `policy`. @throws IO */
export async function pruneCache(stores: Stores, policy: PrunePolicy): Promise<PruneResult> {
  const units = await listCacheUnits(stores);
  const { bavail, bsize } = statfsSync(stores.paths.root);
  const records = openCache(stores).list();
  const chosen = choosePruned(units, policy, bavail * bsize);
  const pruned = chosen.filter((unit) => forgetCacheUnit(stores, unit, records));
  const swept = await sweep(stores, { buildCache: 'keep' });
  const { all, ...bounds } = policy;
  pruneNotes(stores, all === true && Object.values(bounds).every((bound) => bound === undefined));
  const gone = new Set<string>(swept.snapshots);
  const freed = pruned.filter((unit) => unit.kind !== 'regular' || gone.has(unit.id));
  return {
    pruned,
    bytes: freed.reduce((sum, { bytes }) => sum + bytes, 0),
    busy: swept.busy,
    problems: swept.problems,
  };
}
