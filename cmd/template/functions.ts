/** Functions of Go's templates and the ones docker's and podman's `--format` add. */
import { CoracleError } from '../../lib/index.js';

export type Functions = Readonly<Record<string, (...given: readonly unknown[]) => unknown>>;

export const functions: Functions = {
  json: (value) => JSON.stringify(value ?? null),
  join: (items, separator) => (Array.isArray(items) ? items.map(show).join(show(separator)) : show(items)),
  split: (text, separator) => show(text).split(show(separator)),
  lower: (text) => show(text).toLowerCase(),
  upper: (text) => show(text).toUpperCase(),
  title: (text) => show(text).replace(/\b\p{L}/gu, (letter) => letter.toUpperCase()),
  truncate: (text, length) => show(text).slice(0, Number(length)),
  pad: (text, before, after) => `${' '.repeat(Number(before))}${show(text)}${' '.repeat(Number(after))}`,
  println: (...values) => `${values.map(show).join(' ')}\n`,
  print: (...values) => values.map(show).join(''),
  printf: (format, ...values) => printf(show(format), values),
  len: (value) => lengthOf(value),
  index: (value, ...keys) => keys.reduce<unknown>((inner, key) => itemOf(inner, key), value),
  slice: (value, ...bounds) => sliceOf(value, bounds.map(Number)),
  not: (value) => !isTrue(value),
  and: (...values) => values.find((value) => !isTrue(value)) ?? values.at(-1),
  or: (...values) => values.find(isTrue) ?? values.at(-1),
  eq: (left, ...others) => others.some((other) => left === other),
  ne: (left, right) => left !== right,
  lt: (left, right) => compare(left, right) < 0,
  le: (left, right) => compare(left, right) <= 0,
  gt: (left, right) => compare(left, right) > 0,
  ge: (left, right) => compare(left, right) >= 0,
};

/** Go's truth: false, 0, nil and anything empty are false. */
export function isTrue(value: unknown): boolean {
  if (value !== null && typeof value === 'object') return lengthOf(value) > 0;
  return Boolean(value);
}

/** How Go prints a value with `%v`. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return '<no value>';
  if (Array.isArray(value)) return `[${value.map(show).join(' ')}]`;
  if (typeof value === 'object') {
    const pairs = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
    return `map[${pairs.map(([key, item]) => `${key}:${show(item)}`).join(' ')}]`;
  }
  return String(value);
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  return value !== null && typeof value === 'object' ? Object.keys(value).length : 0;
}

function itemOf(value: unknown, key: unknown): unknown {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'object' ? Reflect.get(value, show(key)) : show(value).charAt(Number(key));
}

/** As Go's: a bound beyond the end is an error. */
function sliceOf(value: unknown, [from = 0, to]: readonly number[]): unknown {
  const items = Array.isArray(value) ? value : show(value);
  const end = to ?? items.length;
  if (from >= 0 && from <= end && end <= items.length) return items.slice(from, end);
  throw new CoracleError('USAGE', `use function "slice" in --format: ${from} to ${end} of ${items.length}`);
}

function compare(left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return show(left) < show(right) ? -1 : show(left) === show(right) ? 0 : 1;
}

function printf(format: string, values: readonly unknown[]): string {
  let next = 0;
  return format.replace(
    /%(-?)(\d*)(?:\.(\d+))?([vsdqxtf%])/g,
    (_, left: string, width: string, digits: string, verb: string) => {
      if (verb === '%') return '%';
      const text = verbText(verb, values[next++], digits);
      return left === '' ? text.padStart(Number(width)) : text.padEnd(Number(width));
    },
  );
}

function verbText(verb: string, value: unknown, digits: string | undefined): string {
  switch (verb) {
    case 'q':
      return JSON.stringify(show(value));
    case 'x':
      return Number(value).toString(16);
    case 'f':
      return Number(value).toFixed(digits === undefined ? 6 : Number(digits));
    default:
      return show(value);
  }
}
