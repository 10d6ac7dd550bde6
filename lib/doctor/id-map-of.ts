/** The ids that containers of the examined user get. */
import { detectIdMap, type IdMap } from '../host/id-map.js';
import type { Subject } from './subject.js';

export function idMapOf({ env }: Subject): IdMap {
  return detectIdMap({ env });
}
