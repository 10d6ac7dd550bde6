/** Plans: NUL-terminated records with a checksum, the only thing besides frames that the C side parses. native/PROTOCOL.md section 2. */
import { CoracleError } from '../errors.js';

/** An operation and its arguments. */
export type PlanRecord = readonly [operation: string, ...args: string[]];

/** Most bytes, records and arguments a plan may have. */
export const planLimits = { bytes: 4 * 1024 * 1024, records: 65536, args: 64 } as const;

/**
 * The bytes of a plan.
 * @throws INVALID when an argument holds a NUL or a limit is passed.
 */
export function encodePlan(records: readonly PlanRecord[]): Buffer {
  if (records.length > planLimits.records) throw tooLarge(`${records.length} records`);
  const words = ['coracle-plan 1'];
  for (const [operation, ...args] of records) {
    if (args.length > planLimits.args) throw tooLarge(`${args.length} arguments of ${operation}`);
    words.push(operation, String(args.length), ...args);
  }
  for (const word of words) {
    if (word.includes('\0'))
      throw new CoracleError('INVALID', `plan start: NUL character in ${JSON.stringify(word)}`);
  }
  const body = Buffer.from(`${words.join('\0')}\0`);
  const end = Buffer.from(`end\0${1}\0${crc32(body).toString(16).padStart(8, '0')}\0`);
  if (body.length + end.length > planLimits.bytes) throw tooLarge(`${body.length} bytes`);
  return Buffer.concat([body, end]);
}

function tooLarge(what: string): CoracleError {
  return new CoracleError('INVALID', `plan start: ${what} are too many`, {
    hint: 'fewer mounts, environment variables or arguments',
  });
}

let table: Uint32Array | undefined;

/** CRC-32 of IEEE 802.3. */
export function crc32(bytes: Uint8Array): number {
  table ??= crcTable();
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

function crcTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
    return value;
  });
}
