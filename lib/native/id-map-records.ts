/** How an id map is written into a plan. */
import type { IdMap, IdRange } from '../host/id-map.js';
import type { PlanRecord } from './plan.js';

/** The `idmap`, `uidmap` and `gidmap` records; with the prefix, those of the user namespace around the container's. */
export function idMapRecords(idMap: IdMap, prefix: '' | 'outer-' = ''): readonly PlanRecord[] {
  const range = (operation: string, { container, host, size }: IdRange): PlanRecord => [
    `${prefix}${operation}`,
    String(container),
    String(host),
    String(size),
  ];
  return [
    [`${prefix}idmap`, idMap.how],
    ...idMap.uid.map((entry) => range('uidmap', entry)),
    ...idMap.gid.map((entry) => range('gidmap', entry)),
  ];
}
