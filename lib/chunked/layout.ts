/**
 * Where the files of a layer lie in its compressed blob, as its table of contents says: zstd:chunked and eStargz.
 * Everything here comes from a registry and is bounded. What it is used for is compared with the diffID in the end.
 */
import { layerPath } from '../layer/layer-path.js';
import { type Digest, isDigest } from '../oci/digest.js';
import {
  invalid,
  parseJson,
  requireArray,
  requireObject,
  requireString,
  type UnknownRecord,
} from '../oci/guards.js';

/** A regular file that is not empty, and the bytes of the blob that it alone is compressed to. */
export type ChunkedFile = {
  /** Cleaned, one character a byte. */
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly start: number;
  readonly end: number;
};

/** A layer's files in the order of the archive, and what lies between them. */
export type ChunkedLayout = {
  readonly compression: 'zstd' | 'gzip';
  readonly files: readonly ChunkedFile[];
  /** Where the compressed archive ends. */
  readonly end: number;
  /** What the archive has before each file and after the last one, where that is known without the blob. */
  readonly literals?: readonly Buffer[];
  /** A file's bytes of the blob hold what follows it in the archive too. */
  readonly trailing: boolean;
};

/** What a table of contents may ask for. */
export const tocLimits = {
  compressed: 16 * 1024 * 1024,
  bytes: 96 * 1024 * 1024,
  entries: 1_000_000,
} as const;

/** An entry as both formats have it; further fields are the formats' own. */
export type TocEntry = UnknownRecord & { readonly type: string; readonly name: string };

/** The entries of a table of contents. @throws INVALID */
export function parseToc(text: string): readonly TocEntry[] {
  const where = 'table of contents';
  const record = requireObject(parseJson(text, where), where);
  if (record.version !== 1) throw invalid(`${where}.version`, 'not 1');
  const entries = requireArray(record.entries, `${where}.entries`);
  if (entries.length > tocLimits.entries) throw invalid(where, `${entries.length} entries`);
  return entries.map((entry, index) => {
    const at = `${where}.entries[${index}]`;
    const fields = requireObject(entry, at);
    return { ...fields, type: requireString(fields.type, at), name: requireString(fields.name, at) };
  });
}

/** Where a file's data begins, and for formats that say it where it ends. */
type Span = { readonly start: number; readonly end: number | undefined };

/**
 * The files of a table of contents. `end` is where the last one ends at the latest; formats that say no ends have each file reach to
 * the next one.
 * @throws INVALID for places that lie outside of the archive, overlap, or are out of order.
 */
export function filesOf(entries: readonly TocEntry[], end: number): readonly ChunkedFile[] {
  const found: (Omit<ChunkedFile, 'end'> & { readonly end: number | undefined })[] = [];
  for (const entry of entries) {
    if (entry.type !== 'reg' || entry.size === undefined || entry.size === 0) continue;
    found.push({ ...spanOf(entry), ...factsOf(entry) });
  }
  let last = 0;
  return found.map((file, index) => {
    const next = found[index + 1]?.start ?? end;
    const own = { ...file, end: file.end ?? next };
    if (own.start < last || own.end <= own.start || own.end > Math.min(next, end)) {
      throw invalid(
        'table of contents',
        `${JSON.stringify(file.path.slice(0, 100))} lies at an impossible place`,
      );
    }
    last = own.end;
    return own;
  });
}

function spanOf(entry: TocEntry): Span {
  const end = entry.endOffset;
  return { start: sizeOf(entry, 'offset'), end: end === undefined ? undefined : sizeOf(entry, 'endOffset') };
}

function factsOf(entry: TocEntry): Pick<ChunkedFile, 'path' | 'digest' | 'size'> {
  const { digest, name } = entry;
  if (!isDigest(digest)) throw invalid('table of contents', 'a file without a digest');
  const path = layerPath(Buffer.from(name)).toString('latin1');
  return { path, digest, size: sizeOf(entry, 'size') };
}

function sizeOf(entry: TocEntry, field: string): number {
  const value = entry[field];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid('table of contents', `${field} of an entry is no size`);
}
