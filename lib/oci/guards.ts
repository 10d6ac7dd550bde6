/**
 * Guards for JSON from outside: each returns the typed value or throws INVALID naming the place.
 * `where` is the subject of the sentence, e.g. `manifest sha256:ab..: layers[0]`.
 */
import { CoracleError } from '../errors.js';
import { parseJsonText } from './json-text.js';

/** A JSON object of which nothing is known yet. */
export type UnknownRecord = Readonly<Record<string, unknown>>;

/** An INVALID error that reads `parse WHERE: REASON`. */
export function invalid(where: string, reason: string): CoracleError {
  return new CoracleError('INVALID', `parse ${where}: ${reason}`);
}

/** Parses JSON text; a syntax error, or nesting that nobody means, becomes INVALID naming `where`. */
export function parseJson(text: string, where: string): unknown {
  try {
    return parseJsonText(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CoracleError('INVALID', `parse ${where}: not JSON: ${reason}`, { cause: error });
  }
}

/** A JSON object, neither null nor an array. */
export function requireObject(value: unknown, where: string): UnknownRecord {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(where, `expected an object, got ${describe(value)}`);
  }
  return value as UnknownRecord;
}

/** A JSON array. */
export function requireArray(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(where, `expected a list, got ${describe(value)}`);
  return value;
}

/** A string, empty ones included. */
export function requireString(value: unknown, where: string): string {
  if (typeof value !== 'string') throw invalid(where, `expected a string, got ${describe(value)}`);
  return value;
}

/** A number of bytes: an integer from 0 to 2^53-1. */
export function requireSize(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw invalid(where, `expected a size in bytes, got ${describe(value)}`);
  }
  return value;
}

/** An integer within 2^53 of either sign. */
export function requireInteger(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw invalid(where, `expected an integer, got ${describe(value)}`);
  }
  return value;
}

/** true or false. */
export function requireBoolean(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw invalid(where, `expected true or false, got ${describe(value)}`);
  return value;
}

/** A list of strings. */
export function requireStrings(value: unknown, where: string): readonly string[] {
  return requireArray(value, where).map((item, index) => requireString(item, `${where}[${index}]`));
}

/** An object whose values are strings; a key `__proto__` stays an ordinary key. */
export function requireStringMap(value: unknown, where: string): Readonly<Record<string, string>> {
  const entries = Object.entries(requireObject(value, where));
  return Object.fromEntries(entries.map(([key, item]) => [key, requireString(item, `${where}.${key}`)]));
}

/** Applies a guard unless the value is absent; Go writers put null where they mean absent. */
export function optional<T>(
  value: unknown,
  where: string,
  guard: (value: unknown, where: string) => T,
): T | undefined {
  return value === undefined || value === null ? undefined : guard(value, where);
}

/** `{[key]: value}` or `{}` when the value is undefined, for exact optional properties. */
export function present<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: V });
}

/** The fields of `record` that are not in `known`, undefined when there are none. */
export function unknownFields(record: UnknownRecord, known: readonly string[]): UnknownRecord | undefined {
  const entries = Object.entries(record).filter(([key]) => !known.includes(key));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

/** A copy with its keys in code unit order, as Go writes maps. */
export function sortedRecord<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  const keys = Object.keys(record).sort();
  return Object.fromEntries(keys.map((key) => [key, record[key] as T]));
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
