/** `--filter` of the commands about the build cache. */
import { type CacheUnit, CoracleError, cacheUnitKinds, parseDuration } from '../../lib/index.js';
import { readFilters } from './texts.js';

export const unitFilters = ['id', 'type', 'until'] as const;

export type UnitChoice = {
  readonly ids?: readonly string[];
  readonly kinds?: readonly CacheUnit['kind'][];
  readonly unusedSince?: number;
};

/** What the filters ask for: ids by their beginning, types by BuildKit's names, and an age as `24h` or a time. */
export function readUnitFilters(texts: readonly string[], now: number): UnitChoice {
  const filters = readFilters(texts, unitFilters);
  const of = (key: string): readonly string[] =>
    filters.filter((one) => one.key === key).map(({ value }) => value);
  const until = of('until').at(-1);
  const [ids, kinds] = [of('id'), of('type').map(readKind)];
  return {
    ...(ids.length === 0 ? {} : { ids }),
    ...(kinds.length === 0 ? {} : { kinds }),
    ...(until === undefined ? {} : { unusedSince: readTime(until, now) }),
  };
}

/** The units that filters ask for. */
export function chooseUnits(units: readonly CacheUnit[], texts: readonly string[]): readonly CacheUnit[] {
  const { ids, kinds, unusedSince } = readUnitFilters(texts, Date.now());
  return units
    .filter(({ id }) => ids === undefined || ids.some((wanted) => id.startsWith(wanted)))
    .filter(({ kind }) => kinds === undefined || kinds.includes(kind))
    .filter(({ lastUsed }) => unusedSince === undefined || lastUsed < unusedSince);
}

function readKind(text: string): CacheUnit['kind'] {
  const kind = cacheUnitKinds.find((known) => known === text);
  if (kind !== undefined) return kind;
  throw new CoracleError('USAGE', `filter type=${text}: no such type`, {
    hint: `types: ${cacheUnitKinds.join(', ')}`,
  });
}

/** A Go duration before now, an RFC 3339 time, or seconds since 1970. */
function readTime(text: string, now: number): number {
  const nanoseconds = parseDuration(text);
  if (nanoseconds !== undefined) return now - nanoseconds / 1e6;
  const time = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isFinite(time)) return time;
  throw new CoracleError('USAGE', `filter until=${text}: neither a duration nor a time`, {
    hint: 'for example until=24h or until=2026-01-31T12:00:00Z',
  });
}
