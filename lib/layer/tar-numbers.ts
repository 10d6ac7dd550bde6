/** Numbers of tar headers: octal text, GNU's base-256, decimal PAX values, and PAX times. */
import { CoracleError } from '../errors.js';
import type { TarTime } from './tar-entry.js';

/**
 * Reads a numeric header field: octal text padded with spaces and NULs, or base-256 when the top bit is set.
 * An empty field is 0. Throws INVALID for anything else and for numbers beyond 2^53.
 */
export function parseNumber(block: Buffer, start: number, length: number, field: string): number {
  if (((block[start] ?? 0) & 0x80) !== 0) return parseBase256(block, start, length, field);
  let at = start;
  let end = start + length;
  while (at < end && isPad(block[at])) at++;
  while (end > at && isPad(block[end - 1])) end--;
  let value = 0;
  for (; at < end; at++) {
    const byte = block[at] ?? 0;
    // a NUL ends the number even when other bytes follow it, as in Go and GNU tar
    if (byte === 0) break;
    if (byte < 0x30 || byte > 0x37) throw badNumber(field, block.subarray(start, start + length));
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

/** Reads a decimal PAX value that must be a whole number not below 0. */
export function parseDecimal(value: Buffer, field: string): number {
  const text = value.toString('latin1');
  const number = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(number)) throw badNumber(field, value);
  return number;
}

/** Reads a PAX time: `[-]SECONDS[.FRACTION]`; digits after the ninth are dropped. */
export function parsePaxTime(value: Buffer, field: string): TarTime {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value.toString('latin1'));
  if (match === null) throw badNumber(field, value);
  const seconds = Number(match[2]);
  const nanoseconds = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] !== '-') return { s: seconds, ns: nanoseconds };
  // adding 0 keeps a negative zero out of the record
  return nanoseconds === 0 ? { s: 0 - seconds, ns: 0 } : { s: -seconds - 1, ns: 1_000_000_000 - nanoseconds };
}

/** Writes a PAX time the way Go does: no fraction for whole seconds, no trailing zeros. */
export function formatPaxTime(time: TarTime): string {
  if (time.ns === 0) return String(time.s);
  const negative = time.s < 0;
  const seconds = negative ? -(time.s + 1) : time.s;
  const nanoseconds = negative ? 1_000_000_000 - time.ns : time.ns;
  const text = `${negative ? '-' : ''}${seconds}.${String(nanoseconds).padStart(9, '0')}`;
  return text.replace(/0+$/, '');
}

/** The first number that needs more digits than its index. */
const octalLimits = Array.from({ length: 13 }, (_, digits) => 8 ** digits);

/** True when `value` can be written as octal text with a closing NUL in a field of `length` bytes. */
export function fitsOctal(value: number, length: number): boolean {
  return value >= 0 && value < (octalLimits[length - 1] ?? 0);
}

/** Writes `value` as octal text, zero-padded and NUL-closed; 0 where it does not fit (a PAX record says it then). */
export function writeOctal(block: Buffer, start: number, length: number, value: number): void {
  let rest = fitsOctal(value, length) ? value : 0;
  block[start + length - 1] = 0;
  for (let at = start + length - 2; at >= start; at--) {
    block[at] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function parseBase256(block: Buffer, start: number, length: number, field: string): number {
  const negative = ((block[start] ?? 0) & 0x40) !== 0;
  let value = 0;
  for (let index = 0; index < length; index++) {
    const byte = block[start + index] ?? 0;
    const digit = index === 0 ? byte & 0x3f : byte;
    // negative numbers are two's complement: their inverse is one too small
    value = value * 256 + (negative ? (index === 0 ? 0x3f - digit : 0xff - digit) : digit);
  }
  const result = negative ? -value - 1 : value;
  if (!Number.isSafeInteger(result)) throw badNumber(field, block.subarray(start, start + length));
  return result;
}

function isPad(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0;
}

function badNumber(field: string, bytes: Buffer): CoracleError {
  const shown = JSON.stringify(bytes.toString('latin1', 0, 40));
  return new CoracleError('INVALID', `read tar header: ${field} is no number: ${shown}`);
}
