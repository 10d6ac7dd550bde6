/** Lists in the forms of docker and podman: a table, a table by template, one rendered template a row, JSON. */
import { CoracleError } from '../lib/index.js';
import type { OptionSpec } from './command.js';
import { compileTemplate } from './template/render.js';
import { printLine, printTable, visible } from './terminal/output.js';

export const formatOption = {
  name: 'format',
  kind: 'string',
  value: 'FORMAT',
  summary: '"table", "table TEMPLATE", "json", or a Go template',
} as const satisfies OptionSpec;

export type Listing<R extends Readonly<Record<string, unknown>>> = {
  readonly rows: readonly R[];
  /** Headings of all fields that templates may use; of a field with arguments, a function that gives it. */
  readonly headings: Readonly<Record<keyof R & string, unknown>>;
  /** The fields of the plain table, in order. */
  readonly columns: readonly (keyof R & string)[];
  readonly format: string | undefined;
  /** Leaves the headings out. */
  readonly bare?: boolean;
};

/** Prints a list. @throws USAGE for a template that is wrong. */
export function printListing<R extends Readonly<Record<string, unknown>>>(listing: Listing<R>): void {
  const { rows, headings, columns, format = 'table', bare = false } = listing;
  if (format === 'json') return printLine(JSON.stringify(rows, undefined, 2));
  if (format === 'table') {
    const cells = rows.map((row) => columns.map((column) => String(row[column] ?? '')));
    return printTable(bare ? undefined : columns.map((column) => String(headings[column])), cells);
  }
  const asTable = /^table\s+/.exec(format);
  const source =
    asTable === null ? withControls(format) : withColumns(withControls(format.slice(asTable[0].length)));
  const render = compileTemplate(source);
  if (asTable === null) {
    for (const row of rows) printLine(visible(render(row)));
    return;
  }
  const cells = rows.map((row) => render(row).split('\t'));
  printTable(bare ? undefined : render(headings).split('\t'), cells);
}

/** podman's tables by template: a blank between two fields parts columns. */
function withColumns(source: string): string {
  return source.replaceAll('}} {{', '}}\t{{');
}

/** docker's lists take `\t` and `\n` in templates literally typed. */
function withControls(source: string): string {
  return source.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}

/** The field `.Label "name"` of a row. */
export function labelField(labels: Readonly<Record<string, string>>): (name: unknown) => string {
  return (name) => labels[String(name)] ?? '';
}

/** Its heading: the label's name. */
export function labelHeading(name: unknown): string {
  return String(name).toUpperCase();
}

/** Labels as docker lists them. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
}

/** Refuses two ways of printing at once. */
export function checkQuiet(quiet: boolean, format: string | undefined): void {
  if (quiet && format !== undefined) {
    throw new CoracleError('USAGE', 'use --quiet and --format: only one of them at a time');
  }
}
