/** What the commands that take away containers and networks share: whether to ask, which ones, and what is said. */
import type { Coracle, CoracleError, PruneFilter } from '../lib/index.js';
import type { Context, Values } from './command.js';
import { sayFailures } from './each.js';
import { pruneFilters, readPruneFilters } from './options/prune-filters.js';
import { confirm } from './terminal/confirm.js';
import { printLine } from './terminal/output.js';

export const pruneOptions = [
  { name: 'force', short: 'f', kind: 'switch', summary: 'Do not ask' },
  {
    name: 'filter',
    kind: 'list',
    value: 'FILTER=VALUE',
    summary: `Only these: ${pruneFilters.join(', ')}`,
  },
] as const;

type Pruned = {
  readonly removed: readonly string[];
  readonly failures: readonly { readonly error: CoracleError }[];
};

/** Asks unless told not to, removes, prints what is gone and then what `report` has to say of it. */
export async function prune<T extends Pruned>(
  values: Values<typeof pruneOptions>,
  context: Context,
  {
    what,
    remove,
    report,
  }: {
    readonly what: string;
    readonly remove: (coracle: Coracle, filter: PruneFilter) => Promise<T>;
    readonly report?: (pruned: T) => void;
  },
): Promise<number> {
  const filter = readPruneFilters(values.filter);
  const question = `WARNING! This will remove all ${what}.\nAre you sure you want to continue? [y/N] `;
  if (!values.force && !confirm(question)) return 1;
  const pruned = await remove(context.open(), filter);
  for (const name of pruned.removed) printLine(name);
  report?.(pruned);
  return sayFailures(pruned.failures, context);
}
