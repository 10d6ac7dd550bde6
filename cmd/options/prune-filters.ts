/** `--filter` of the commands that take away what nothing uses. */
import { CoracleError, type PruneFilter } from '../../lib/index.js';
import { parseMoment } from './moment.js';
import { readFilters } from './texts.js';

export const pruneFilters = ['until', 'label', 'label!'] as const;

/** @throws USAGE */
export function readPruneFilters(texts: readonly string[]): PruneFilter {
  const filters = readFilters(texts, pruneFilters);
  const of = (key: (typeof pruneFilters)[number]): readonly string[] =>
    filters.filter((one) => one.key === key).map(({ value }) => value);
  const [until, second] = of('until');
  if (second !== undefined) throw new CoracleError('USAGE', 'use --filter until twice: give one time');
  return {
    before: until === undefined ? undefined : parseMoment(until, Date.now()),
    labels: of('label'),
    withoutLabels: of('label!'),
  };
}
