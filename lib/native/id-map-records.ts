/** How an id map is written into a plan. */
import type { IdMap, IdRange } from '../host/id-map.js';
import type { PlanRecord } from './plan.js';

/** The `idmap`, `uidmap` and `gidmap` records. */
export function idMapRecords(idMap: IdMap): readonly PlanRecord[] {
  const range = (operation: string, { container, host, size }: IdRange): PlanRecord => [
    operation,
    String(container),
    String(host),
    String(size),
  ];
  return [
    ['idmap', idMap.how],
    ...idMap.uid.map((entry) => range('uidmap', entry)),
    ...idMap.gid.map((entry) => range('gidmap', entry)),
  ];
}
