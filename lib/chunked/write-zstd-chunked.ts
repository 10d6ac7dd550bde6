/**
 * Writing zstd:chunked: frames for the bytes between contents, frames for each content, then the table of contents, tar-split and the
 * footer in frames that decoders skip. Frames are made on all cores and depend on the archive, the level and libzstd alone.
 */
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { CoracleError } from '../errors.js';
import { printablePath, type TarHeader } from '../layer/tar-entry.js';
import { TarParser } from '../layer/tar-parser.js';
import { asBuffer } from '../layer/tar-reader.js';
import { zstdFrames } from '../native/zstd-frames.js';
import { TarSplitWriter } from './tar-split.js';
import { type Chunk, type TocFile, tocText } from './write-toc.js';
import { skippableHeader, zstdChunkedNames } from './zstd-chunked.js';

/** Larger contents are several frames, so that memory and threads are used evenly. */
const chunkBytes = 4 * 1024 * 1024;
const skippableMagic = Buffer.from('502a4d18', 'hex');
const footerMagic = Buffer.from('GNUlInUx');

/** A blob being made: its bytes, and after the last one what a manifest says of it. */
export type ChunkedStream = {
  readonly chunks: AsyncIterable<Buffer>;
  annotations(): Readonly<Record<string, string>>;
};

/** The archive as zstd:chunked. @throws UNSUPPORTED for an archive with sparse files */
export function writeZstdChunked(tar: AsyncIterable<Uint8Array>, level: number): ChunkedStream {
  const writer = new ChunkedWriter(level);
  return { chunks: writer.write(tar), annotations: () => writer.annotations };
}

type Frame = { readonly bytes: Promise<Buffer>; readonly chunk: Chunk | undefined };

class ChunkedWriter {
  annotations: Readonly<Record<string, string>> = {};
  readonly #level: number;
  readonly #frames: Frame[] = [];
  readonly #files: TocFile[] = [];
  readonly #split = new TarSplitWriter();
  #raw: Buffer[] = [];
  /** Raw bytes that tar-split has not yet. */
  #unsplit: Buffer[] = [];
  #content: Content | undefined;
  #offset = 0;

  constructor(level: number) {
    this.#level = level;
  }

  async *write(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
    const parser = new TarParser({
      entry: (header, offset) => this.#begin(header, offset),
      data: (chunk) => this.#data(chunk),
      end: () => this.#end(),
      raw: (bytes, start, end) => this.#keep(bytes.subarray(start, end)),
    });
    try {
      for await (const chunk of tar) {
        parser.push(asBuffer(chunk));
        yield* this.#emit(availableParallelism() * 8);
      }
      parser.finish();
      this.#closeRaw();
      this.#closeSegment();
      yield* this.#emit(0);
      yield* this.#tail();
    } finally {
      // what still runs when the reader leaves must not become an unhandled rejection
      await Promise.allSettled(this.#frames.map(({ bytes }) => bytes));
    }
  }

  #keep(bytes: Buffer): void {
    this.#raw.push(bytes);
    this.#unsplit.push(bytes);
  }

  #begin(header: TarHeader, offset: number | undefined): void {
    if (offset === undefined) {
      throw new CoracleError('UNSUPPORTED', `compress ${printablePath(header.path)}: a sparse file`, {
        hint: 'zstd:chunked has no form for it: use --compression-format zstd',
      });
    }
    this.#closeSegment();
    const file: TocFile = { header, digest: undefined, chunks: [] };
    this.#files.push(file);
    this.#content = new Content(file);
    if (header.size > 0) this.#closeRaw();
  }

  #data(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + chunkBytes - (this.#content?.gathered ?? 0));
      this.#content?.take(part);
      at += part.length;
      if (this.#content?.gathered === chunkBytes) this.#closeChunk(this.#content);
    }
  }

  #end(): void {
    const content = this.#content;
    if (content === undefined) return;
    if (content.gathered > 0) this.#closeChunk(content);
    const { header } = content.file;
    this.#split.file(header.path, header.size, content.finish());
    this.#content = undefined;
  }

  #closeChunk(content: Content): void {
    const { bytes, chunk } = content.chunk();
    this.#push(bytes, chunk);
  }

  #closeRaw(): void {
    const raw = this.#raw;
    this.#raw = [];
    if (raw.length > 0) this.#push(Buffer.concat(raw), undefined);
  }

  #closeSegment(): void {
    const pieces = this.#unsplit;
    this.#unsplit = [];
    if (pieces.length > 0) this.#split.segment(Buffer.concat(pieces));
  }

  #push(bytes: Buffer, chunk: Chunk | undefined): void {
    this.#frames.push({ bytes: zstdFrames().compress(bytes, this.#level), chunk });
  }

  /** Hands over frames in their order until at most `left` are being made. */
  async *#emit(left: number): AsyncGenerator<Buffer, void> {
    while (this.#frames.length > left) {
      const frame = this.#frames[0];
      if (frame === undefined) return;
      const bytes = await frame.bytes;
      this.#frames.shift();
      if (frame.chunk !== undefined) {
        frame.chunk.start = this.#offset;
        frame.chunk.end = this.#offset + bytes.length;
      }
      this.#offset += bytes.length;
      yield bytes;
    }
  }

  async *#tail(): AsyncGenerator<Buffer, void> {
    const split = this.#split.finish();
    const packedSplit = await zstdFrames().compress(split, this.#level);
    const toc = Buffer.from(tocText(this.#files, digestOf(packedSplit)));
    const packedToc = await zstdFrames().compress(toc, this.#level);
    const position = this.#offset + skippableHeader;
    const splitPosition = position + packedToc.length + skippableHeader;
    this.annotations = {
      [zstdChunkedNames.checksum]: digestOf(packedToc),
      [zstdChunkedNames.position]: `${position}:${packedToc.length}:${toc.length}:1`,
      [zstdChunkedNames.tarSplit]: `${splitPosition}:${packedSplit.length}:${split.length}`,
    };
    yield skippable(packedToc);
    yield skippable(packedSplit);
    const numbers = [
      position,
      packedToc.length,
      toc.length,
      1,
      splitPosition,
      packedSplit.length,
      split.length,
    ];
    yield skippable(footer(numbers));
  }
}

/** The content of one entry as it passes. */
class Content {
  readonly file: TocFile;
  gathered = 0;
  readonly #whole = createHash('sha256');
  #parts: Buffer[] = [];
  #sum: Buffer = Buffer.alloc(8);
  #size = 0;

  constructor(file: TocFile) {
    this.file = file;
  }

  take(part: Buffer): void {
    this.#parts.push(part);
    this.gathered += part.length;
    this.#whole.update(part);
    this.#sum = zstdFrames().crc64(this.#sum, part);
  }

  chunk(): { readonly bytes: Buffer; readonly chunk: Chunk } {
    const bytes = Buffer.concat(this.#parts, this.gathered);
    const chunk = { at: this.#size, size: bytes.length, digest: digestOf(bytes), start: 0, end: 0 };
    this.file.chunks.push(chunk);
    this.#size += bytes.length;
    this.#parts = [];
    this.gathered = 0;
    return { bytes, chunk };
  }

  /** The checksum of a content; none for an empty one. */
  finish(): Buffer | undefined {
    if (this.#size === 0) return undefined;
    this.file.digest = `sha256:${this.#whole.digest('hex')}`;
    return this.#sum;
  }
}

function skippable(content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(content.length);
  return Buffer.concat([skippableMagic, length, content]);
}

function footer(numbers: readonly number[]): Buffer {
  const words = Buffer.alloc(8 * numbers.length);
  for (const [index, number] of numbers.entries()) words.writeBigUInt64LE(BigInt(number), 8 * index);
  return Buffer.concat([words, footerMagic]);
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
