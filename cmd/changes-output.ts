/** Lists of changed paths, as `diff` of containers and of images prints them. */
import type { Change } from '../lib/index.js';
import type { OptionSpec } from './command.js';
import { printLine, visible } from './terminal/output.js';

/** In podman's order. */
const letters = { changed: 'C', added: 'A', deleted: 'D' } as const;

export const changesFormat = {
  name: 'format',
  kind: 'string',
  value: 'FORMAT',
  choices: ['json'],
  summary: 'json: an object of lists',
} as const satisfies OptionSpec;

/** A line for each, or with a format one object. */
export function printChanges(changes: readonly Change[], format: string | undefined): void {
  if (format === undefined) {
    for (const { kind, path } of changes) printLine(visible(`${letters[kind]} ${path}`));
    return;
  }
  const lists = Object.keys(letters).map((kind): [string, string[]] => [
    kind,
    changes.filter((change) => change.kind === kind).map(({ path }) => path),
  ]);
  printLine(JSON.stringify(Object.fromEntries(lists.filter(([, paths]) => paths.length > 0)), undefined, 2));
}
