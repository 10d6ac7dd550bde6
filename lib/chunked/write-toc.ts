/** The table of contents of zstd:chunked as JSON, fields left out where they are empty as its first writer does. */
import { CoracleError } from '../errors.js';
import type { TarHeader, TarTime, TarType } from '../layer/tar-entry.js';

/** A part of a content: where it lies in the file, and, once it was written, in the blob. */
export type Chunk = {
  readonly at: number;
  readonly size: number;
  readonly digest: string;
  start: number;
  end: number;
};

/** An entry of the archive. */
export type TocFile = { readonly header: TarHeader; digest: string | undefined; readonly chunks: Chunk[] };

const types: Readonly<Record<TarType, string>> = {
  file: 'reg',
  link: 'hardlink',
  char: 'char',
  block: 'block',
  directory: 'dir',
  fifo: 'fifo',
  symlink: 'symlink',
};

/** The whole table. */
export function tocText(files: readonly TocFile[], tarSplitDigest: string): string {
  return JSON.stringify({ version: 1, entries: files.flatMap(entriesOf), tarSplitDigest });
}

function entriesOf({ header, digest, chunks }: TocFile): readonly Record<string, unknown>[] {
  const [first, ...rest] = chunks;
  const name = header.path.toString('utf8');
  const several = rest.length > 0;
  const entry = withoutEmpty({
    type: types[header.type],
    name,
    linkName: header.linkTarget.toString('utf8'),
    mode: header.mode,
    size: header.size,
    uid: header.uid,
    gid: header.gid,
    modtime: timeText(header.mtime),
    devMajor: header.major,
    devMinor: header.minor,
    xattrs: xattrsOf(header),
    digest,
    offset: first?.start,
    endOffset: chunks.at(-1)?.end,
    chunkSize: several ? first?.size : undefined,
    chunkDigest: several ? first?.digest : undefined,
  });
  const further = rest.map(({ at, size, digest: chunkDigest, start }) =>
    withoutEmpty({ type: 'chunk', name, offset: start, chunkSize: size, chunkOffset: at, chunkDigest }),
  );
  return [entry, ...further];
}

function xattrsOf({ xattrs }: TarHeader): Record<string, string> | undefined {
  if (xattrs.size === 0) return undefined;
  return Object.fromEntries([...xattrs].map(([name, value]) => [name, value.toString('base64')]));
}

/** Of the year 9999, the last one of RFC 3339. */
const lastSecond = 253_402_300_799;

/** RFC 3339 as Go writes it: parts of a second only where there are some. */
function timeText({ s, ns }: TarTime): string {
  if (Math.abs(s) > lastSecond) {
    throw new CoracleError('UNSUPPORTED', `compress layer: a file is of second ${s}, which no date says`, {
      hint: 'zstd:chunked has no form for it: use --compression-format zstd',
    });
  }
  const seconds = new Date(s * 1000).toISOString().replace(/\.\d+Z$/, '');
  const fraction = ns === 0 ? '' : `.${String(ns).padStart(9, '0').replace(/0+$/, '')}`;
  return `${seconds}${fraction}Z`;
}

function withoutEmpty(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== '' && value !== 0),
  );
}
