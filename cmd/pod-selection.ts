/** Which pods a command is about. */
import { CoracleError } from '../lib/index.js';
import type { Context, OptionSpec } from './command.js';

export const podSelectionOptions = [
  { name: 'all', short: 'a', kind: 'switch', summary: 'All pods' },
  { name: 'latest', short: 'l', kind: 'switch', summary: 'The pod made last' },
] as const satisfies readonly OptionSpec[];

/** Names, or ids with --all and --latest. @throws USAGE */
export async function selectPods(
  operands: readonly string[],
  { all, latest }: { readonly all: boolean; readonly latest: boolean },
  context: Context,
): Promise<readonly string[]> {
  const ways = [operands.length > 0, all, latest].filter(Boolean).length;
  if (ways !== 1) throw new CoracleError('USAGE', 'which pods? give names, or --all, or --latest');
  if (operands.length > 0) return operands;
  const ids = (await context.open().pods()).map(({ id }) => id);
  return all ? ids : ids.slice(0, 1);
}
