/** Guards that only the readers of bundles need. */
import { CoracleError } from '../errors.js';
import { optional, requireArray, type UnknownRecord } from './guards.js';

/** A list that may be missing. */
export function listOf<T>(
  value: unknown,
  where: string,
  parse: (value: unknown, where: string) => T,
): readonly T[] {
  return (optional(value, where, requireArray) ?? []).map((item, index) => parse(item, `${where}[${index}]`));
}

/** Objects without members, empty lists and empty texts ask for nothing. */
export function isGiven(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/** @throws UNSUPPORTED when the record has something under this name. */
export function refuseGiven(record: UnknownRecord, name: string, where: string): void {
  if (isGiven(record[name])) throw unsupported(`${where}.${name}`, 'this runtime does not do that');
}

/** An UNSUPPORTED error that reads `use WHERE: REASON`. */
export function unsupported(where: string, reason: string): CoracleError {
  return new CoracleError('UNSUPPORTED', `use ${where}: ${reason}`);
}
