/**
 * zstd:chunked: each file's content is a zstd frame (or several) of its own; behind the archive, in frames that decoders skip, lie the
 * table of contents and, from newer writers, tar-split. Annotations of the layer say where.
 * https://github.com/containers/storage/blob/main/docs/containers-storage-zstd-chunked.md
 */
import { createHash } from 'node:crypto';
import { CoracleError } from '../errors.js';
import { decompress } from '../layer/compression.js';
import { isDigest } from '../oci/digest.js';
import { invalid } from '../oci/guards.js';
import { type ChunkedLayout, filesOf, parseToc, tocLimits } from './layout.js';
import { readTarSplit } from './tar-split.js';

/** Keys of a layer's annotations. */
export const zstdChunkedNames = {
  checksum: 'io.github.containers.zstd-chunked.manifest-checksum',
  position: 'io.github.containers.zstd-chunked.manifest-position',
  tarSplit: 'io.github.containers.zstd-chunked.tarsplit-position',
} as const;

/** The same keys as the first writers had them. */
const oldPrefix = 'io.containers.';

function annotationOf(
  annotations: Readonly<Record<string, string>> | undefined,
  key: string,
): string | undefined {
  return annotations?.[key] ?? annotations?.[key.replace('io.github.containers.', oldPrefix)];
}

/** Bytes before the content of a frame that decoders skip: its magic number and its length. */
export const skippableHeader = 8;

/** Reads a part of the blob. */
export type ReadBlob = (start: number, length: number) => Promise<Buffer>;

type Place = { readonly start: number; readonly length: number; readonly bytes: number };

/** Whether annotations speak of a table of contents. */
export function isZstdChunked(annotations: Readonly<Record<string, string>> | undefined): boolean {
  return annotationOf(annotations, zstdChunkedNames.position) !== undefined;
}

/** Whether an annotation is about a table of contents. */
export function isTocKey(key: string): boolean {
  return /^io\.(github\.)?containers\.zstd-chunked\./.test(key);
}

/** The layout of a layer with these annotations. @throws INVALID, INTEGRITY */
export async function readZstdChunked(
  annotations: Readonly<Record<string, string>>,
  size: number,
  read: ReadBlob,
): Promise<ChunkedLayout> {
  const place = placeOf(annotations, zstdChunkedNames.position, size);
  if (place === undefined) throw invalid('table of contents', 'no position');
  const packed = await read(place.start, place.length);
  const checksum = annotationOf(annotations, zstdChunkedNames.checksum);
  if (isDigest(checksum)) verify(packed, checksum);
  const text = await textOf(unpack(packed, place.bytes));
  const end = place.start - skippableHeader;
  const files = filesOf(parseToc(text), end);
  const split = placeOf(annotations, zstdChunkedNames.tarSplit, size);
  const base = { compression: 'zstd', files, end, trailing: false } as const;
  if (split === undefined) return base;
  const packedSplit = await read(split.start, split.length);
  const literals = await readTarSplit(unpack(packedSplit, split.bytes), files);
  return { ...base, literals };
}

function placeOf(
  annotations: Readonly<Record<string, string>>,
  key: string,
  size: number,
): Place | undefined {
  const text = annotationOf(annotations, key);
  if (text === undefined) return undefined;
  const [start = 0, length = 0, bytes = 0] = text.split(':').map(Number);
  const numbers = [start, length, bytes];
  const sound = /^\d{1,15}:\d{1,15}:\d{1,15}(:1)?$/.test(text) && numbers.every(Number.isSafeInteger);
  if (!sound || start < skippableHeader || start + length > size) throw invalid(key, 'no place in the layer');
  if (length > tocLimits.compressed || bytes > tocLimits.bytes) {
    throw new CoracleError('INVALID', `read ${key}: ${bytes} bytes are too many`);
  }
  return { start, length, bytes };
}

function verify(bytes: Buffer, digest: string): void {
  if (digest === `sha256:${createHash('sha256').update(bytes).digest('hex')}`) return;
  throw new CoracleError('INTEGRITY', 'read table of contents: it has not the digest the manifest says');
}

/** @throws INVALID when it is longer than it says: it is bounded by that. */
function unpack(packed: Buffer, bytes: number): AsyncIterable<Buffer> {
  async function* once(): AsyncGenerator<Buffer, void> {
    yield packed;
  }
  return decompress(once(), 'zstd', { bytes, ratio: Number.MAX_SAFE_INTEGER, ratioAfter: 0 });
}

async function textOf(source: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = [];
  for await (const chunk of source) parts.push(chunk);
  return Buffer.concat(parts).toString('utf8');
}
