/**
 * Compressed streams: recognised by their first bytes, expanded within limits, made deterministically.
 * bzip2 and xz (only for archives users hand in) run as programs of the host, never of an image (native.md S5).
 */
import type { Gunzip } from 'node:zlib';
import { CoracleError } from '../errors.js';
import { filterProgram, noteError } from './filter-program.js';
import { defaultTarLimits, type TarLimits } from './tar-entry.js';
import { asBuffer } from './tar-reader.js';

/** How a stream is compressed; `auto` looks at its first bytes. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** Larger pieces do not fit into a processor's cache with what is done to them. */
const chunkSize = 256 * 1024;

/** How long the first bytes must be for {@link detectCompression}. */
export const magicLength = 6;

/** What a stream's first bytes say; `none` for everything unknown. */
export function detectCompression(start: Uint8Array): Compression {
  const hex = Buffer.from(start.subarray(0, magicLength)).toString('hex');
  if (hex.startsWith('1f8b08')) return 'gzip';
  // a zstd stream may open with a skippable frame
  if (hex.startsWith('28b52ffd') || /^5[0-9a-f]2a4d18/.test(hex)) return 'zstd';
  if (hex.startsWith('425a68')) return 'bzip2';
  if (hex.startsWith('fd377a585a00')) return 'xz';
  return 'none';
}

/**
 * The expanded stream. Throws INTEGRITY for damaged, truncated or trailing data, INVALID past a limit, HOST when
 * the program for the format is not installed. Leaving the iteration early stops everything behind it.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  kind: Compression | 'auto',
  limits: Pick<TarLimits, 'bytes' | 'ratio' | 'ratioAfter'> = defaultTarLimits,
): AsyncGenerator<Buffer, void> {
  const input = new CountedInput(source);
  const actual = kind === 'auto' ? detectCompression(await input.peek(magicLength)) : kind;
  let output = 0;
  for await (const chunk of await expand(input.read(), actual)) {
    output += chunk.length;
    checkExpansion(output, actual === 'none' ? Number.POSITIVE_INFINITY : input.bytes, limits);
    yield chunk;
  }
}

/** @throws INVALID where `output` bytes are too many, or too many for the `input` bytes they were made of. */
export function checkExpansion(
  output: number,
  input: number,
  limits: Pick<TarLimits, 'bytes' | 'ratio' | 'ratioAfter'> = defaultTarLimits,
): void {
  if (output > limits.bytes) throw tooLarge(`more than ${limits.bytes} bytes`);
  if (output > limits.ratioAfter && output > limits.ratio * input)
    throw tooLarge(`more than ${limits.ratio} times its compressed size`);
}

/** The compressed stream; the same input gives the same bytes. Levels are those of the format. */
export async function* compress(
  source: AsyncIterable<Uint8Array>,
  options: { readonly kind: 'gzip' | 'zstd' | 'none'; readonly level?: number },
): AsyncGenerator<Buffer, void> {
  const { kind } = options;
  if (kind === 'none') yield* buffers(source);
  else if (kind === 'gzip') {
    const { defaultGzipLevel, gzipBlocks } = await import('./parallel-gzip.js');
    yield* gzipBlocks(source, options.level ?? defaultGzipLevel);
  } else if (await hasZlibZstd())
    yield* throughZlib(source, 'compress', 'createZstdCompress', options.level ?? 3);
  else yield* filterProgram(source, 'zstd', ['-c', String(options.level ?? 3)]);
}

async function expand(source: AsyncIterable<Buffer>, kind: Compression): Promise<AsyncIterable<Buffer>> {
  switch (kind) {
    case 'none':
      return source;
    case 'gzip':
      return throughZlib(source, 'decompress', 'createGunzip');
    case 'zstd':
      if (await hasZlibZstd()) return throughZlib(source, 'decompress', 'createZstdDecompress');
      return filterProgram(source, 'zstd', ['-d']);
    case 'bzip2':
      return filterProgram(source, 'bzip2', ['-dc']);
    case 'xz':
      // the memory limit bounds what a hostile dictionary size can ask for
      return filterProgram(source, 'xz', ['-dc', '--memlimit-decompress=512MiB']);
  }
}

type ZlibName = 'createGunzip' | 'createZstdDecompress' | 'createZstdCompress';

async function hasZlibZstd(): Promise<boolean> {
  const zlib = await import('node:zlib');
  return 'createZstdDecompress' in zlib;
}

async function* throughZlib(
  source: AsyncIterable<Uint8Array>,
  verb: 'compress' | 'decompress',
  name: ZlibName,
  level?: number,
): AsyncGenerator<Buffer, void> {
  const { pipeline, Readable } = await import('node:stream');
  const transform = await zlibTransform(name, level);
  let sourceError: unknown;
  let given = 0;
  async function* counted(): AsyncGenerator<Uint8Array, void> {
    for await (const chunk of source) {
      given += chunk.length;
      yield chunk;
    }
  }
  const input = Readable.from(
    noteError(counted(), (error) => {
      sourceError = error;
    }),
    { objectMode: false },
  );
  // errors reach the reader through the transform, which pipeline destroys with them
  pipeline(input, transform, () => undefined);
  try {
    for await (const chunk of transform) yield asBuffer(chunk);
    // zlib stops at zeros behind the end, as tapes have them; Go's readers, by which images are read, refuse them
    if (transform.bytesWritten < given) throw new Error('data follows its end');
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw damaged(verb, error);
  } finally {
    input.destroy();
    transform.destroy();
  }
}

/** A stream that is not what it should be. */
export function damaged(verb: 'compress' | 'decompress', error: unknown): CoracleError {
  const reason = error instanceof Error ? error.message : String(error);
  return new CoracleError('INTEGRITY', `${verb} stream: ${reason}`, {
    cause: error,
    hint: 'the data is damaged or truncated; fetch it again',
  });
}

async function zlibTransform(name: ZlibName, level: number | undefined): Promise<Gunzip> {
  const zlib = await import('node:zlib');
  // Expanding goes on in its thread while what came is handled here. Node's types do not know that these are stream options, too.
  const options = { chunkSize, readableHighWaterMark: 16 * chunkSize };
  if (name === 'createGunzip') return zlib.createGunzip(options);
  // Node 20's types do not know the functions newer Nodes have
  const make: unknown = Reflect.get(zlib, name);
  if (typeof make !== 'function')
    throw new CoracleError('INTERNAL', `compress stream: node:zlib lacks ${name}`);
  const levelKey: unknown = Reflect.get(zlib.constants, 'ZSTD_c_compressionLevel');
  const params = level === undefined ? {} : { [String(levelKey)]: level };
  return make({ ...options, params });
}

async function* buffers(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void> {
  for await (const chunk of source) yield asBuffer(chunk);
}

function tooLarge(reason: string): CoracleError {
  return new CoracleError('INVALID', `decompress stream: it expands to ${reason}`, {
    hint: 'this looks like a decompression bomb; if you trust it, decompress it yourself and import the result',
  });
}

/** A source whose first bytes can be looked at, and whose bytes are counted as they go. */
export class CountedInput {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #ahead: Buffer[] = [];
  bytes = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async peek(length: number): Promise<Buffer> {
    let total = 0;
    while (total < length) {
      const { value, done } = await this.#source.next();
      if (done === true) break;
      total += value.length;
      // what is kept while the next piece is asked for is ours
      this.#ahead.push(total < length ? Buffer.from(value) : asBuffer(value));
    }
    return Buffer.concat(this.#ahead).subarray(0, length);
  }

  async *read(): AsyncGenerator<Buffer, void> {
    try {
      for (let chunk = this.#ahead.shift(); chunk !== undefined; chunk = this.#ahead.shift()) {
        this.bytes += chunk.length;
        yield chunk;
      }
      for (let next = await this.#source.next(); next.done !== true; next = await this.#source.next()) {
        this.bytes += next.value.length;
        yield asBuffer(next.value);
      }
    } finally {
      await this.#source.return?.();
    }
  }
}
