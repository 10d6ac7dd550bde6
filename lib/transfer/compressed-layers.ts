/**
 * Layers made here have no blob: it is made when a push or an archive asks for it, the same each time. What it
 * came out as is remembered, so that the next push only asks whether the registry has it.
 * `build/compressed/<diffid hex>.json`: `{"gzip-2-tar1-libdeflate-1.14": {"digest": ..., "size": ...}}`.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { writeZstdChunked } from '../chunked/write-zstd-chunked.js';
import { CoracleError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import type { ImageRecord } from '../image/image-record.js';
import { readLayerTar } from '../image/layer-reader.js';
import type { Stores } from '../image/stores.js';
import { compress } from '../layer/compression.js';
import { defaultGzipLevel, gzipVersion } from '../layer/parallel-gzip.js';
import { tarWriterVersion } from '../layer/tar-writer.js';
import { zstdFrames } from '../native/zstd-frames.js';
import type { DiffId } from '../oci/chain-id.js';
import { type Digest, digestHex, parseDigest } from '../oci/digest.js';
import { optional, present, requireObject, requireSize, requireStringMap } from '../oci/guards.js';

/** How layers are compressed on their way out. */
export type LayerEncoding = {
  readonly kind: 'gzip' | 'zstd' | 'zstd:chunked' | 'none';
  readonly level: number;
};

/** Those whose bytes are all there is to say. */
export type StreamEncoding = LayerEncoding & { readonly kind: 'gzip' | 'zstd' | 'none' };

/** The levels used unless a person chooses. */
export const defaultLevels = { gzip: defaultGzipLevel, zstd: 3, 'zstd:chunked': 3, none: 0 } as const;

const levels = { gzip: 9, zstd: 19, 'zstd:chunked': 19, none: 0 } as const;

/** An encoding, by default with the usual level. @throws USAGE for a level that the kind has not, whether or not a layer is compressed */
export function requireEncoding(kind: LayerEncoding['kind'], level: number | undefined): LayerEncoding {
  const highest = levels[kind];
  if (level === undefined) return { kind, level: defaultLevels[kind] };
  if (Number.isInteger(level) && level >= 1 && level <= highest) return { kind, level };
  throw new CoracleError('USAGE', `compress by ${kind} at level ${level}: the levels are 1 to ${highest}`);
}

/** A compressed layer's identity. */
export type CompressedLayer = {
  readonly digest: Digest;
  readonly size: number;
  /** For its descriptor: where its table of contents is. */
  readonly annotations?: Readonly<Record<string, string>>;
};

/** A compressed layer being made: its bytes, and after the last one what they are. */
export type CompressedStream = { readonly chunks: AsyncIterable<Buffer>; finish(): CompressedLayer };

/** What this layer was when it was compressed like this before. */
export function rememberedLayer(
  paths: StorePaths,
  diffId: DiffId,
  encoding: LayerEncoding,
): CompressedLayer | undefined {
  const path = recordPath(paths, diffId);
  const value = readJson(path);
  const found = value === undefined ? undefined : requireObject(value, path)[keyOf(encoding)];
  if (found === undefined) return undefined;
  const record = requireObject(found, path);
  return {
    digest: parseDigest(record.digest, path),
    size: requireSize(record.size, path),
    ...present('annotations', optional(record.annotations, path, requireStringMap)),
  };
}

/** Remembers what a layer is when it is compressed like this. */
export function rememberLayer(
  paths: StorePaths,
  diffId: DiffId,
  encoding: LayerEncoding,
  layer: CompressedLayer,
): void {
  const path = recordPath(paths, diffId);
  ensureDirectory(join(paths.build, 'compressed'));
  const known = readJson(path);
  const others = known === undefined ? {} : requireObject(known, path);
  const { digest, size, annotations } = layer;
  const record = { digest, size, ...present('annotations', annotations) };
  writeFileAtomic(path, `${JSON.stringify({ ...others, [keyOf(encoding)]: record })}\n`);
}

/** A layer without a blob, compressed; remembered when `finish` is called. Throws as `readLayerTar` does. */
export function compressLayer(
  stores: Stores,
  image: ImageRecord,
  index: number,
  encoding: LayerEncoding,
): CompressedStream {
  const encoded = encodeLayer(readLayerTar(image, index, stores, lending(encoding)), encoding);
  const hash = createHash('sha256');
  let size = 0;
  async function* chunks(): AsyncGenerator<Buffer, void> {
    for await (const chunk of encoded.chunks) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  const finish = (): CompressedLayer => {
    const digest = parseDigest(`sha256:${hash.digest('hex')}`, 'layer');
    const layer = { digest, size, ...present('annotations', encoded.annotations()) };
    const diffId = image.config.rootfs.diff_ids[index];
    if (diffId !== undefined) rememberLayer(stores.paths, diffId, encoding, layer);
    return layer;
  };
  return { chunks: chunks(), finish };
}

/** A tar in an encoding; what its descriptor is to say besides, after the last chunk. */
export type EncodedLayer = {
  readonly chunks: AsyncIterable<Buffer>;
  annotations(): Readonly<Record<string, string>> | undefined;
};

/** Compressing to gzip gives lent pieces back. */
export function lending({ kind }: LayerEncoding): { readonly lend: boolean } {
  return { lend: kind === 'gzip' };
}

/** Encodes a layer's tar. */
export function encodeLayer(tar: AsyncIterable<Buffer>, { kind, level }: LayerEncoding): EncodedLayer {
  if (kind === 'zstd:chunked') return writeZstdChunked(tar, level);
  return { chunks: compress(tar, { kind, level }), annotations: () => undefined };
}

function recordPath(paths: StorePaths, diffId: DiffId): string {
  return join(paths.build, 'compressed', `${digestHex(diffId)}.json`);
}

/** The compressor's version is part of it: another one may write other bytes. */
function keyOf({ kind, level }: LayerEncoding): string {
  const library = kind === 'gzip' ? gzipVersion() : zstdVersion(kind);
  return `${kind}-${level}-tar${tarWriterVersion}-${library}`;
}

function zstdVersion(kind: LayerEncoding['kind']): string {
  return kind === 'zstd:chunked' ? `zstd-${zstdFrames().version}` : 'libzstd';
}
