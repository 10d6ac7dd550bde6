/**
 * eStargz: gzip members, one begun at each content; the last but one holds the table of contents as a file of the archive, the last
 * one, empty, says where that is. The headers between contents are in the members before them: those of files that are not fetched
 * are written again, as Go writes them.
 * https://github.com/containerd/stargz-snapshotter/blob/main/docs/estargz.md
 */
import { createHash } from 'node:crypto';
import { CoracleError } from '../errors.js';
import { decompress } from '../layer/compression.js';
import { padding, type TarHeader, type TarType } from '../layer/tar-entry.js';
import { readContent, readTar } from '../layer/tar-reader.js';
import { encodeNamedHeader } from '../layer/tar-writer.js';
import { invalid } from '../oci/guards.js';
import { type ChunkedLayout, filesOf, parseToc, type TocEntry, tocLimits } from './layout.js';
import type { ReadBlob } from './zstd-chunked.js';

/** The digest of the table of contents, in a layer's annotations. */
export const estargzDigest = 'containerd.io/snapshot/stargz/toc.digest';

/** Bytes of the last member. */
export const estargzFooter = 51;

/**
 * The layout of a layer whose table of contents has this digest, where the manifest says one.
 * @throws INVALID, INTEGRITY, UNSUPPORTED
 */
export async function readEstargz(
  digest: string | undefined,
  size: number,
  read: ReadBlob,
): Promise<ChunkedLayout> {
  if (size < estargzFooter) throw invalid('eStargz layer', 'it is too short');
  const end = size - estargzFooter;
  const tocAt = tocOffset(await read(end, estargzFooter));
  if (tocAt === undefined) throw invalid('eStargz layer', 'no footer');
  if (tocAt >= end || end - tocAt > tocLimits.compressed)
    throw invalid('eStargz layer', 'no table of contents');
  const member = await expand(await read(tocAt, end - tocAt));
  const text = await tocOf(member);
  if (digest !== undefined && digest !== `sha256:${createHash('sha256').update(text).digest('hex')}`) {
    throw new CoracleError('INTEGRITY', 'read table of contents: it has not the digest the manifest says');
  }
  const entries = parseToc(text.toString('utf8'));
  if (entries.some((entry) => entry.innerOffset !== undefined))
    throw new CoracleError('UNSUPPORTED', 'read table of contents: several files share a member');
  const files = filesOf(entries, tocAt);
  return { compression: 'gzip', files, end, literals: literalsOf(entries, member), trailing: true };
}

/** Where a footer says that the table of contents is; undefined for what is no footer. */
export function tocOffset(footer: Buffer): number | undefined {
  const found = /^([0-9a-f]{16})STARGZ$/.exec(footer.subarray(16, 38).toString('latin1'));
  const offset = Number.parseInt(found?.[1] ?? '', 16);
  return Number.isSafeInteger(offset) ? offset : undefined;
}

async function expand(packed: Buffer): Promise<Buffer> {
  const limits = { bytes: tocLimits.bytes, ratio: Number.MAX_SAFE_INTEGER, ratioAfter: 0 };
  const parts: Buffer[] = [];
  for await (const chunk of decompress(once(packed), 'gzip', limits)) parts.push(chunk);
  return Buffer.concat(parts);
}

async function tocOf(member: Buffer): Promise<Buffer> {
  for await (const entry of readTar(once(member))) {
    if (entry.path.toString() === 'stargz.index.json') return readContent(entry, tocLimits.bytes);
  }
  throw invalid('eStargz layer', 'no table of contents');
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void> {
  yield bytes;
}

/** What the archive has before each content and after the last one. */
function literalsOf(entries: readonly TocEntry[], member: Buffer): readonly Buffer[] {
  const names = { users: new Map<number, string>(), groups: new Map<number, string>() };
  const literals: Buffer[] = [];
  let pieces: Buffer[] = [];
  for (const entry of entries) {
    if (entry.type === 'chunk') continue;
    const header = headerOf(entry);
    pieces.push(encodeNamedHeader(header, namesOf(entry, header, names)));
    if (header.size === 0) continue;
    literals.push(Buffer.concat(pieces));
    pieces = [Buffer.alloc(padding(header.size))];
  }
  return [...literals, Buffer.concat([...pieces, member])];
}

const types: Readonly<Record<string, TarType>> = {
  dir: 'directory',
  reg: 'file',
  symlink: 'symlink',
  hardlink: 'link',
  char: 'char',
  block: 'block',
  fifo: 'fifo',
};

function headerOf(entry: TocEntry): TarHeader {
  const type = Object.hasOwn(types, entry.type) ? types[entry.type] : undefined;
  if (type === undefined) throw invalid('table of contents', `type ${JSON.stringify(entry.type)}`);
  return {
    path: Buffer.from(entry.name),
    type,
    mode: numberOf(entry, 'mode'),
    uid: numberOf(entry, 'uid'),
    gid: numberOf(entry, 'gid'),
    size: type === 'file' ? numberOf(entry, 'size') : 0,
    mtime: { s: timeOf(entry.modtime), ns: 0 },
    linkTarget: Buffer.from(typeof entry.linkName === 'string' ? entry.linkName : ''),
    xattrs: xattrsOf(entry.xattrs),
    major: numberOf(entry, 'devMajor'),
    minor: numberOf(entry, 'devMinor'),
  };
}

type Names = { readonly users: Map<number, string>; readonly groups: Map<number, string> };

/** A name is only with the first entry of its owner. */
function namesOf(
  entry: TocEntry,
  { uid, gid }: TarHeader,
  { users, groups }: Names,
): { readonly user: string; readonly group: string } {
  if (typeof entry.userName === 'string') users.set(uid, entry.userName);
  if (typeof entry.groupName === 'string') groups.set(gid, entry.groupName);
  return { user: users.get(uid) ?? '', group: groups.get(gid) ?? '' };
}

function numberOf(entry: TocEntry, field: string): number {
  const value = entry[field] ?? 0;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid('table of contents', `${field} of an entry is no number`);
}

function timeOf(value: unknown): number {
  const milliseconds = typeof value === 'string' ? Date.parse(value) : 0;
  if (Number.isInteger(milliseconds)) return Math.floor(milliseconds / 1000);
  throw invalid('table of contents', 'the time of an entry');
}

function xattrsOf(value: unknown): ReadonlyMap<string, Buffer> {
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(Object.entries(value).map(([name, text]) => [name, Buffer.from(String(text), 'base64')]));
}
