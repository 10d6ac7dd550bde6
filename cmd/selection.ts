/** Which containers a command works on: by name, by filter, all, the last one, or by the files of --cidfile. */
import { type ContainerListing, CoracleError } from '../lib/index.js';
import type { Context, OptionSpec } from './command.js';
import { containerFilters, filterContainers } from './container-filters.js';
import { readTextFile } from './options/texts.js';

export const allOption = {
  name: 'all',
  kind: 'switch',
  summary: 'All of them',
} as const satisfies OptionSpec;

export const latestOption = {
  name: 'latest',
  short: 'l',
  kind: 'switch',
  summary: 'The one made last',
} as const satisfies OptionSpec;

export const filterOption = {
  name: 'filter',
  kind: 'list',
  value: 'FILTER=VALUE',
  summary: `Those that fit: ${containerFilters.join(', ')}`,
} as const satisfies OptionSpec;

export const cidfileOption = {
  name: 'cidfile',
  kind: 'list',
  value: 'FILE',
  summary: 'Those whose ids the files hold',
} as const satisfies OptionSpec;

/** All of them, with the short forms that are free in most commands. */
export const selectionOptions = [
  { ...allOption, short: 'a' },
  latestOption,
  { ...filterOption, short: 'f' },
  cidfileOption,
] as const;

export type Selection = {
  readonly all?: boolean | undefined;
  readonly latest?: boolean | undefined;
  readonly filter?: readonly string[] | undefined;
  readonly cidfile?: readonly string[] | undefined;
};

/** Which of the containers `--all` and filters mean. */
export type Kind = 'all' | 'running' | 'stopped' | 'paused';

/**
 * The names a command works on; those that were not named by their ids.
 * @throws USAGE when none is given or two ways exclude each other.
 */
export async function selectContainers(
  command: string,
  operands: readonly string[],
  selection: Selection,
  kind: Kind,
  context: Context,
): Promise<readonly string[]> {
  const { all = false, latest = false, filter = [], cidfile = [] } = selection;
  const named = [...operands, ...cidfile.map((path) => readTextFile('--cidfile', path).trim())];
  const ways = [named.length > 0, all || filter.length > 0, latest].filter(Boolean).length;
  if (ways > 1) throw usage(command, '--all, --latest, --filter and names exclude each other');
  if (named.length > 0) return named;
  if (ways === 0) throw usage(command, 'needs at least 1 argument, got 0');
  const found = await context.open().containers({ all: true });
  if (latest) return found.slice(0, 1).map(({ id }) => id);
  return filterContainers(found, filter).flatMap((one) => (isKind(one, kind) ? [one.id] : []));
}

function isKind({ state }: ContainerListing, kind: Kind): boolean {
  const active = !['created', 'exited', 'dead'].includes(state);
  switch (kind) {
    case 'all':
      return true;
    case 'running':
      return active;
    case 'paused':
      return state === 'paused';
    case 'stopped':
      return !active;
  }
}

function usage(command: string, reason: string): CoracleError {
  return new CoracleError('USAGE', `coracle ${command}: ${reason}`, {
    hint: `usage: coracle ${command} [OPTIONS] CONTAINER...`,
  });
}
