/** Makes tars byte by byte, well-formed and not, for tests of the reader and of extraction. */
import { padding, type TarEntry, type TarHeader } from '../../lib/layer/tar-entry.js';
import { headerSums } from '../../lib/layer/tar-header.js';
import { encodeHeader, encodeTrailer } from '../../lib/layer/tar-writer.js';

/** An entry as tests write it; everything has a default. */
export type Sketch = Partial<Omit<TarHeader, 'path' | 'linkTarget' | 'xattrs'>> & {
  readonly path: string | Buffer;
  readonly linkTarget?: string | Buffer;
  readonly xattrs?: Readonly<Record<string, string | Buffer>>;
  readonly content?: string | Buffer;
};

/** A whole header for a sketch. */
export function headerOf(sketch: Sketch): TarHeader {
  const content = Buffer.from(sketch.content ?? '');
  const xattrs = Object.entries(sketch.xattrs ?? {}).map(
    ([name, value]) => [name, Buffer.from(value)] as const,
  );
  return {
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: content.length,
    mtime: { s: 1_700_000_000, ns: 0 },
    major: 0,
    minor: 0,
    ...sketch,
    path: Buffer.from(sketch.path),
    linkTarget: Buffer.from(sketch.linkTarget ?? ''),
    xattrs: new Map(xattrs),
  };
}

/** The entry's header, content and padding as they stand in an archive. */
export function entryBytes(sketch: Sketch): Buffer {
  const content = Buffer.from(sketch.content ?? '');
  return Buffer.concat([encodeHeader(headerOf(sketch)), content, Buffer.alloc(padding(content.length))]);
}

/** A complete archive. */
export function tarOf(...sketches: readonly Sketch[]): Buffer {
  return Buffer.concat([...sketches.map(entryBytes), encodeTrailer()]);
}

/** A bare header block with fields set by hand; the checksum is made right unless `sum` is given. */
export function rawBlock(fields: {
  readonly name?: string;
  readonly mode?: string;
  readonly uid?: string | Buffer;
  readonly size?: string | Buffer;
  readonly mtime?: string | Buffer;
  readonly flag?: string;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
  readonly sum?: string;
  readonly patch?: (block: Buffer) => void;
}): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, value: string | Buffer) => Buffer.from(value).copy(block, at);
  put(0, fields.name ?? 'file');
  put(100, fields.mode ?? '0000644');
  put(108, fields.uid ?? '0000000');
  put(116, '0000000');
  put(124, fields.size ?? '00000000000');
  put(136, fields.mtime ?? '00000000000');
  put(156, fields.flag ?? '0');
  put(157, fields.link ?? '');
  put(257, fields.magic ?? 'ustar\x0000');
  put(345, fields.prefix ?? '');
  fields.patch?.(block);
  put(148, fields.sum ?? `${headerSums(block).unsigned.toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** An extended header of type `flag` (x, g, L, K) with this data. */
export function extendedBytes(flag: string, data: string | Buffer): Buffer {
  const bytes = Buffer.from(data);
  const size = bytes.length.toString(8).padStart(11, '0');
  return Buffer.concat([
    rawBlock({ name: 'extended', flag, size }),
    bytes,
    Buffer.alloc(padding(bytes.length)),
  ]);
}

/** Bytes as a stream of chunks of `size`. */
export async function* chunked(bytes: Buffer, size = 64 * 1024): AsyncGenerator<Buffer, void> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What a test compares of an entry: text instead of bytes, the content, defaults left out. */
export type Seen = Record<string, unknown>;

/** All entries of an archive with their contents. */
export async function seenEntries(entries: AsyncIterable<TarEntry>): Promise<Seen[]> {
  const seen: Seen[] = [];
  for await (const entry of entries) {
    const parts: Buffer[] = [];
    for await (const chunk of entry.content()) parts.push(Buffer.from(chunk));
    seen.push(seenEntry(entry, Buffer.concat(parts)));
  }
  return seen;
}

function seenEntry(entry: TarEntry, content: Buffer): Seen {
  return {
    path: entry.path.toString('latin1'),
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: entry.mtime,
    linkTarget: entry.linkTarget.toString('latin1'),
    xattrs: Object.fromEntries([...entry.xattrs].map(([name, value]) => [name, value.toString('latin1')])),
    device: [entry.major, entry.minor],
    content: content.toString('latin1'),
  };
}

/** The same shape for a sketch, so that both sides can be compared whole. */
export function seenSketch(sketch: Sketch): Seen {
  const header = headerOf(sketch);
  return seenEntry({ ...header, content: () => chunked(Buffer.alloc(0)) }, Buffer.from(sketch.content ?? ''));
}

/** A stream's bytes. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of source) parts.push(chunk);
  return Buffer.concat(parts);
}
