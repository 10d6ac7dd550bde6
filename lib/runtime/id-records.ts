/** How a bundle's user namespace is made, or that there is none. */
import { CoracleError } from '../errors.js';
import { idMapRecords } from '../native/id-map-records.js';
import type { PlanRecord } from '../native/plan.js';
import type { BundleIdRange, BundleLinux } from '../oci/bundle-linux.js';

/** Who calls the runtime. */
export type Caller = {
  readonly uid: number;
  readonly gid: number;
  /** /proc/self/uid_map and gid_map. */
  readonly uidMap: string;
  readonly gidMap: string;
};

/** The `idmap` records. @throws INVALID for mappings that do not fit the namespaces. */
export function idRecords(linux: BundleLinux, caller: Caller): readonly PlanRecord[] {
  const namespace = linux.namespaces.find(({ type }) => type === 'user');
  const { uidMappings: uid, gidMappings: gid } = linux;
  if (namespace === undefined || namespace.path !== undefined) {
    if (uid.length + gid.length > 0)
      throw new CoracleError('INVALID', 'map ids: there is no new namespace of type user');
    return [['idmap', 'host']];
  }
  if (uid.length === 0 || gid.length === 0)
    throw new CoracleError('INVALID', 'map ids: the new namespace of type user has no mappings', {
      hint: 'add linux.uidMappings and linux.gidMappings, or make the config.json by coracle oci spec --rootless',
    });
  if (caller.uid === 0)
    return idMapRecords({
      how: 'direct',
      uid: splitRanges(uid, caller.uidMap),
      gid: splitRanges(gid, caller.gidMap),
    });
  const alone = isOwnId(uid, caller.uid) && isOwnId(gid, caller.gid);
  return idMapRecords({ how: alone ? 'single' : 'newuidmap', uid, gid });
}

function isOwnId(ranges: readonly BundleIdRange[], id: number): boolean {
  const [only, ...others] = ranges;
  return others.length === 0 && only?.size === 1 && only.host === id;
}

/** One extent may not span two of the parent's (user_namespaces(7)): each is cut where theirs end. */
function splitRanges(ranges: readonly BundleIdRange[], parentMap: string): readonly BundleIdRange[] {
  const parents = parentMap
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([start = 0, , size = 0]) => ({ start, end: start + size }));
  return ranges.flatMap((range) => {
    const parts = parents
      .map(({ start, end }) => ({
        from: Math.max(start, range.host),
        to: Math.min(end, range.host + range.size),
      }))
      .filter(({ from, to }) => from < to)
      .sort((one, other) => one.from - other.from);
    const covered = parts.reduce((sum, { from, to }) => sum + to - from, 0);
    if (covered !== range.size)
      throw new CoracleError(
        'INVALID',
        `map ids ${range.host} to ${range.host + range.size - 1}: this user namespace does not have them all`,
      );
    return parts.map(({ from, to }) => ({
      container: range.container + from - range.host,
      host: from,
      size: to - from,
    }));
  });
}
