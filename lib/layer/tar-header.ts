/**
 * One 512-byte header block to values: V7, USTAR, PAX, GNU and star layouts.
 * https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, GNU tar manual "Basic Tar Format".
 */
import { CoracleError } from '../errors.js';
import { blockSize } from './tar-entry.js';
import { parseNumber } from './tar-numbers.js';

/** The fields of one header block, before extended headers change them. */
export type RawHeader = {
  readonly name: Buffer;
  /** The type flag as a character; NUL stays `\0`. */
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly linkName: Buffer;
  readonly major: number;
  readonly minor: number;
};

/** True when every byte of the block at `start` is 0: the archive's end marker. */
export function isZeroBlock(bytes: Buffer, start = 0): boolean {
  for (let at = start; at < start + blockSize; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** Reads the header block at `at` after checking its sum. Throws INVALID. */
export function decodeHeader(block: Buffer, at = 0): RawHeader {
  checkSum(block, at);
  const flag = String.fromCharCode(block[at + 156] ?? 0);
  const extended = has(block, at + 257, 'ustar');
  const device = flag === '3' || flag === '4';
  // read whatever the type: Go refuses a header with one number that is none
  const major = extended ? parseNumber(block, at + 329, 8, 'devmajor') : 0;
  const minor = extended ? parseNumber(block, at + 337, 8, 'devminor') : 0;
  return {
    name: fullName(block, at),
    flag,
    mode: parseNumber(block, at + 100, 8, 'mode'),
    uid: parseNumber(block, at + 108, 8, 'uid'),
    gid: parseNumber(block, at + 116, 8, 'gid'),
    size: parseNumber(block, at + 124, 12, 'size'),
    mtime: parseNumber(block, at + 136, 12, 'mtime'),
    linkName: text(block, at + 157, 100),
    major: device ? major : 0,
    minor: device ? minor : 0,
  };
}

/** Sum of the block's bytes with the sum's own field as spaces, and the same with signed bytes (old Sun tars). */
export function headerSums(block: Buffer, start = 0): { unsigned: number; signed: number } {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let at = start; at < start + blockSize; at++) {
    if (at === start + 148) at = start + 156;
    const byte = block[at] ?? 0;
    unsigned += byte;
    if (byte > 127) high++;
  }
  return { unsigned, signed: unsigned - high * 256 };
}

function checkSum(block: Buffer, at: number): void {
  const stored = parseNumber(block, at + 148, 8, 'checksum');
  const { unsigned, signed } = headerSums(block, at);
  if (stored !== unsigned && stored !== signed) {
    throw new CoracleError(
      'INVALID',
      `read tar header: checksum is ${stored}, the block sums to ${unsigned}`,
    );
  }
}

function fullName(block: Buffer, at: number): Buffer {
  const name = text(block, at, 100);
  // GNU's layout ("ustar  \0") has times where USTAR has the prefix
  if (block[at + 345] === 0 || !has(block, at + 257, 'ustar\x0000')) return name;
  const prefix = text(block, at + 345, has(block, at + 508, 'tar\0') ? 131 : 155);
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

/** Bytes up to the first NUL; copied, because a slice would keep the whole chunk alive. */
function text(block: Buffer, start: number, length: number): Buffer {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  if (end === start) return noBytes;
  const copy = Buffer.allocUnsafe(end - start);
  for (let at = start; at < end; at++) copy[at - start] = block[at] ?? 0;
  return copy;
}

const noBytes = Buffer.alloc(0);

function has(block: Buffer, start: number, characters: string): boolean {
  for (let at = 0; at < characters.length; at++)
    if (block[start + at] !== characters.charCodeAt(at)) return false;
  return true;
}
