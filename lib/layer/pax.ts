/** PAX extended header records, values as bytes: `LENGTH KEY=VALUE\n`. POSIX.1-2017, pax, "pax Extended Header". */
import { CoracleError } from '../errors.js';

/** Prefix of the records that carry extended attributes. */
export const xattrPrefix = 'SCHILY.xattr.';

/** Where the offset and length pairs of the sparse formats 0.0 and 0.1 are gathered. */
export const sparseMapKey = 'GNU.sparse.map';

/**
 * Reads the records of one extended header. A later record of a key replaces an earlier one, except the pairs
 * of the sparse format 0.0, which are joined under {@link sparseMapKey}. Throws INVALID for malformed records.
 */
export function parsePax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  const sparse: string[] = [];
  let at = 0;
  while (at < data.length) {
    const { key, value, end } = parseRecord(data, at);
    at = end;
    if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      if ((sparse.length % 2 === 0) !== (key === 'GNU.sparse.offset'))
        throw badRecord('sparse pairs out of order');
      sparse.push(value.toString('latin1'));
    } else records.set(key, value);
  }
  if (sparse.length > 0) records.set(sparseMapKey, Buffer.from(sparse.join(','), 'latin1'));
  return records;
}

/** Writes records sorted by key, as Go's archive/tar does. */
export function formatPax(records: ReadonlyMap<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  for (const key of [...records.keys()].sort(compareBytes)) parts.push(formatRecord(key, records.get(key)));
  return Buffer.concat(parts);
}

function parseRecord(data: Buffer, start: number): { key: string; value: Buffer; end: number } {
  let length = 0;
  let at = start;
  for (; at < data.length && data[at] !== 0x20; at++) {
    const digit = (data[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9 || at - start > 8) throw badRecord('its length is no number');
    length = length * 10 + digit;
  }
  const end = start + length;
  const equals = data.indexOf(0x3d, at + 1);
  if (at === start || length === 0 || end > data.length || data[end - 1] !== 0x0a)
    throw badRecord('its length is wrong');
  if (equals <= at + 1 || equals >= end - 1) throw badRecord('it has no key');
  const key = data.toString('utf8', at + 1, equals);
  if (key.includes('\0') || key.includes('\ufffd')) throw badRecord('its key is not UTF-8 text');
  // copied: a slice would keep the whole network chunk alive
  return { key, value: Buffer.from(data.subarray(equals + 1, end - 1)), end };
}

function formatRecord(key: string, value: Buffer = Buffer.alloc(0)): Buffer {
  const rest = Buffer.byteLength(key) + value.length + 3;
  let length = rest + String(rest).length;
  // the length counts its own digits, and one more digit can make it one longer
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function badRecord(reason: string): CoracleError {
  return new CoracleError('INVALID', `read tar extended header: a record is malformed: ${reason}`);
}
