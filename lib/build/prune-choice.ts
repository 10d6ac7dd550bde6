/** Which parts of the build cache a prune takes away. Pure. BuildKit's policy: `cache/manager.go`, `calculateKeepBytes`. */
import type { CacheUnit } from './cache-unit.js';

export type PrunePolicy = {
  /** Also what images or containers keep: the cache forgets it, and its space is theirs. */
  readonly all?: boolean | undefined;
  /** Only what was not used since, in milliseconds since the epoch. */
  readonly unusedSince?: number | undefined;
  readonly ids?: readonly string[] | undefined;
  readonly kinds?: readonly CacheUnit['kind'][] | undefined;
  /** Bytes that may always stay. */
  readonly reservedSpace?: number | undefined;
  /** Bytes that may stay at most. */
  readonly maxUsedSpace?: number | undefined;
  /** Bytes that should be free on the disk afterwards. */
  readonly minFreeSpace?: number | undefined;
};

/** What goes, first the longest unused. `free` is what the store's disk has now. */
export function choosePruned(
  units: readonly CacheUnit[],
  policy: PrunePolicy,
  free: number,
): readonly CacheUnit[] {
  const order = [...units].sort((one, other) => one.lastUsed - other.lastUsed || other.depth - one.depth);
  let excess = excessBytes(units, policy, free);
  const chosen: CacheUnit[] = [];
  for (const unit of order.filter((one) => isWanted(one, policy))) {
    if (excess <= 0) break;
    chosen.push(unit);
    if (unit.reclaimable) excess -= unit.bytes;
  }
  return chosen;
}

function isWanted(unit: CacheUnit, { all, unusedSince, ids, kinds }: PrunePolicy): boolean {
  if (!unit.reclaimable && all !== true) return false;
  if (unusedSince !== undefined && unit.lastUsed >= unusedSince) return false;
  if (kinds !== undefined && !kinds.includes(unit.kind)) return false;
  return ids === undefined || ids.some((id) => unit.id.startsWith(id));
}

/** Bytes to free; without any bound everything. */
function excessBytes(units: readonly CacheUnit[], policy: PrunePolicy, free: number): number {
  const { reservedSpace = 0, maxUsedSpace = 0, minFreeSpace = 0 } = policy;
  if (reservedSpace === 0 && maxUsedSpace === 0 && minFreeSpace === 0) return Number.POSITIVE_INFINITY;
  const total = units.filter((unit) => unit.reclaimable).reduce((sum, { bytes }) => sum + bytes, 0);
  const missing = minFreeSpace - free;
  let keep = maxUsedSpace;
  if (missing > 0) keep = keep === 0 ? total - missing : Math.min(keep, total - missing);
  // A bound on free space alone that is met keeps everything.
  else if (maxUsedSpace === 0 && minFreeSpace > 0) keep = total;
  return total - Math.max(keep, reservedSpace);
}
