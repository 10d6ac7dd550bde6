/**
 * A deterministic tar writer whose headers are those of Go's archive/tar in its PAX format, which Docker,
 * BuildKit, buildah and podman use for layers: the same tree gives the same diffID.
 */
import { CoracleError } from '../errors.js';
import { formatPax, xattrPrefix } from './pax.js';
import { blockSize, padding, printablePath, type TarHeader, type TarType } from './tar-entry.js';
import { headerSums } from './tar-header.js';
import { fitsOctal, formatPaxTime, writeOctal } from './tar-numbers.js';

/** Number of this writer's output format; a change of its bytes needs a new number, since stored diffIDs depend on it. */
export const tarWriterVersion = 1;

/** `0` to `6`. */
const flags: Readonly<Record<TarType, number>> = {
  file: 0x30,
  link: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  directory: 0x35,
  fifo: 0x36,
};

/** The header blocks of an entry, extended header included; `path` of a directory gets its slash from the caller. */
export function encodeHeader(header: TarHeader): Buffer {
  const records = paxRecords(header);
  const main = mainBlock(header);
  if (records.size === 0) return main;
  const data = formatPax(records);
  return Buffer.concat([
    extendedBlock(header.path, data.length),
    data,
    Buffer.alloc(padding(data.length)),
    main,
  ]);
}

/** The same with the names of owners, which layers made here leave out. Names that are longer than their fields are cut. */
export function encodeNamedHeader(
  header: TarHeader,
  { user, group }: { readonly user: string; readonly group: string },
): Buffer {
  const bytes = encodeHeader(header);
  const main = bytes.subarray(bytes.length - blockSize);
  main.write(user.slice(0, 32), 265, 32, 'latin1');
  main.write(group.slice(0, 32), 297, 32, 'latin1');
  seal(main);
  return bytes;
}

/** Zeros that fill an entry's last block. */
export function encodePadding(size: number): Buffer {
  return zeroBlocks.subarray(0, padding(size));
}

/** The two zero blocks that end an archive. */
export function encodeTrailer(): Buffer {
  return zeroBlocks;
}

const zeroBlocks = Buffer.alloc(blockSize * 2);

/** An archive of these entries. Throws INTERNAL when a content's length is not its header's `size`. */
export async function* writeTar(
  entries: AsyncIterable<TarHeader & { content?(): AsyncIterable<Buffer> }>,
): AsyncGenerator<Buffer, void> {
  for await (const entry of entries) {
    yield encodeHeader(entry);
    if (entry.size === 0) continue;
    let written = 0;
    for await (const chunk of entry.content?.() ?? []) {
      written += chunk.length;
      yield chunk;
    }
    checkWritten(entry, written);
    yield encodePadding(entry.size);
  }
  yield encodeTrailer();
}

/** Throws IO when the content that was written is not as long as the header said. */
export function checkWritten(header: TarHeader, written: number): void {
  if (written === header.size) return;
  const shown = printablePath(header.path);
  throw new CoracleError(
    'IO',
    `write tar entry ${shown}: ${written} bytes came where ${header.size} were announced`,
    {
      hint: 'the file changed while it was read; try again',
    },
  );
}

function paxRecords(header: TarHeader): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  if (header.path.length > 100 || !isAscii(header.path)) records.set('path', header.path);
  if (header.linkTarget.length > 100 || !isAscii(header.linkTarget))
    records.set('linkpath', header.linkTarget);
  if (!fitsOctal(header.uid, 8)) records.set('uid', Buffer.from(String(header.uid)));
  if (!fitsOctal(header.gid, 8)) records.set('gid', Buffer.from(String(header.gid)));
  if (!fitsOctal(header.size, 12)) records.set('size', Buffer.from(String(header.size)));
  if (!fitsOctal(header.mtime.s, 12) || header.mtime.ns !== 0) {
    records.set('mtime', Buffer.from(formatPaxTime(header.mtime)));
  }
  for (const [name, value] of header.xattrs) records.set(xattrPrefix + name, value);
  return records;
}

/** What all headers have in common: magic, version, and device numbers of nothing. */
const common = commonBlock();
/** Sum of that, with the sum's own field as spaces. */
const commonSum = headerSums(common).unsigned;

function commonBlock(): Buffer {
  const block = Buffer.alloc(blockSize);
  block.write('ustar\x0000', 257, 8, 'latin1');
  writeOctal(block, 329, 8, 0);
  writeOctal(block, 337, 8, 0);
  return block;
}

function mainBlock(header: TarHeader): Buffer {
  // From Node's pool: memory of its own for each header of many would cost more than the header.
  const block = Buffer.allocUnsafe(blockSize);
  block.set(common);
  writeText(block, 0, header.path);
  writeOctal(block, 100, 8, header.mode);
  writeOctal(block, 108, 8, header.uid);
  writeOctal(block, 116, 8, header.gid);
  writeOctal(block, 124, 12, header.size);
  writeOctal(block, 136, 12, header.mtime.s);
  block[156] = flags[header.type];
  writeText(block, 157, header.linkTarget);
  if (header.major !== 0 || header.minor !== 0) {
    writeOctal(block, 329, 8, header.major);
    writeOctal(block, 337, 8, header.minor);
    return seal(block);
  }
  const names =
    sumOf(block, 0, Math.min(header.path.length, 100)) +
    sumOf(block, 157, Math.min(header.linkTarget.length, 100));
  return writeSum(block, commonSum + names + sumOf(block, 100, 48) + flags[header.type]);
}

function sumOf(block: Buffer, start: number, length: number): number {
  let sum = 0;
  for (let at = start; at < start + length; at++) sum += block[at] ?? 0;
  return sum;
}

/** The block before PAX records: Go leaves the device fields empty here, unlike in the main block. */
function extendedBlock(path: Buffer, size: number): Buffer {
  const block = Buffer.alloc(blockSize);
  const name = ascii(extendedName(path)).subarray(0, 100);
  let end = name.length;
  while (end > 0 && name[end - 1] === 0x2f) end--;
  name.copy(block, 0, 0, end);
  writeOctal(block, 100, 8, 0);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 124, 12, size);
  writeOctal(block, 136, 12, 0);
  block.write('x', 156, 1, 'latin1');
  return seal(block);
}

/** Go: path.Join(dir, "PaxHeaders.0", file). */
function extendedName(path: Buffer): Buffer {
  const slash = path.lastIndexOf(0x2f);
  const text = path.toString('latin1');
  const joined = `${text.slice(0, slash + 1)}/PaxHeaders.0/${text.slice(slash + 1)}`;
  const parts = joined.split('/').filter((part) => part !== '' && part !== '.');
  return Buffer.from((text.startsWith('/') ? '/' : '') + parts.join('/'), 'latin1');
}

function seal(block: Buffer): Buffer {
  block.write('ustar\x0000', 257, 8, 'latin1');
  return writeSum(block, headerSums(block).unsigned);
}

function writeSum(block: Buffer, sum: number): Buffer {
  writeOctal(block, 148, 7, sum);
  block[155] = 0x20;
  return block;
}

function writeText(block: Buffer, start: number, bytes: Buffer): void {
  const text = ascii(bytes);
  text.copy(block, start, 0, Math.min(text.length, 100));
  if (text.length <= 100 || block[start + 99] !== 0x2f) return;
  // a cut name that ends in a slash would look like a directory to V7 readers
  let end = start + 99;
  while (end > start && block[end - 1] === 0x2f) end--;
  block[end] = 0;
}

function isAscii(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte === 0 || byte > 0x7f) return false;
  return true;
}

function ascii(bytes: Buffer): Buffer {
  return isAscii(bytes) ? bytes : Buffer.from(bytes.filter((byte) => byte !== 0 && byte < 0x80));
}
