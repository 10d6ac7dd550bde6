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

/** True when every byte of the block is 0: the archive's end marker. */
export function isZeroBlock(block: Buffer): boolean {
  for (let at = 0; at < blockSize; at += 4) if (block.readUInt32LE(at) !== 0) return false;
  return true;
}

/** Reads a header block after checking its sum. Throws INVALID. */
export function decodeHeader(block: Buffer): RawHeader {
  checkSum(block);
  const magic = block.toString('latin1', 257, 265);
  const extended = magic.startsWith('ustar');
  const flag = String.fromCharCode(block[156] ?? 0);
  const device = flag === '3' || flag === '4';
  // read whatever the type: Go refuses a header with one number that is none
  const major = extended ? parseNumber(block, 329, 8, 'devmajor') : 0;
  const minor = extended ? parseNumber(block, 337, 8, 'devminor') : 0;
  return {
    name: fullName(block, magic),
    flag,
    mode: parseNumber(block, 100, 8, 'mode'),
    uid: parseNumber(block, 108, 8, 'uid'),
    gid: parseNumber(block, 116, 8, 'gid'),
    size: parseNumber(block, 124, 12, 'size'),
    mtime: parseNumber(block, 136, 12, 'mtime'),
    linkName: text(block, 157, 100),
    major: device ? major : 0,
    minor: device ? minor : 0,
  };
}

/** Sum of the block's bytes with the sum's own field as spaces, and the same with signed bytes (old Sun tars). */
export function headerSums(block: Buffer): { unsigned: number; signed: number } {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let at = 0; at < blockSize; at++) {
    if (at === 148) at = 156;
    const byte = block[at] ?? 0;
    unsigned += byte;
    if (byte > 127) high++;
  }
  return { unsigned, signed: unsigned - high * 256 };
}

function checkSum(block: Buffer): void {
  const stored = parseNumber(block, 148, 8, 'checksum');
  const { unsigned, signed } = headerSums(block);
  if (stored !== unsigned && stored !== signed) {
    throw new CoracleError(
      'INVALID',
      `read tar header: checksum is ${stored}, the block sums to ${unsigned}`,
    );
  }
}

function fullName(block: Buffer, magic: string): Buffer {
  const name = text(block, 0, 100);
  // GNU's layout ("ustar  \0") has times where USTAR has the prefix
  if (magic !== 'ustar\x0000') return name;
  const star = block.toString('latin1', 508, 512) === 'tar\0';
  const prefix = text(block, 345, star ? 131 : 155);
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

/** Bytes up to the first NUL; copied, because a slice would keep the whole chunk alive. */
function text(block: Buffer, start: number, length: number): Buffer {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return Buffer.from(block.subarray(start, end));
}
