/**
 * A layer's tar in pieces, with its digest. Where the file agent shares memory, pieces lie there: they are expanded and hashed on
 * another thread, and the agent writes them to files from where they are.
 */
import { createHash } from 'node:crypto';
import { CoracleError, hasErrno } from '../errors.js';
import { GarbageLimit } from '../host/garbage.js';
import { lend } from '../host/lent.js';
import { type Expand, type Expansion, expandAddon } from '../native/expand.js';
import { type Block, BlockRing } from './block-ring.js';
import {
  type Compression,
  CountedInput,
  checkExpansion,
  damaged,
  decompress,
  detectCompression,
  magicLength,
} from './compression.js';
import { asBuffer } from './tar-reader.js';

export type LayerBytes = {
  /** Some of them lent (lib/host/lent.ts): whoever takes those gives them back. */
  readonly pieces: AsyncGenerator<Buffer, void, undefined>;
  /** `sha256:` and hex of all pieces; asked for once, after the last. */
  digest(): string;
};

/** Bytes that are there already. */
export function plainBytes(tar: AsyncIterable<Uint8Array>): LayerBytes {
  const hash = createHash('sha256');
  async function* pieces(): LayerBytes['pieces'] {
    for await (const chunk of tar) {
      const bytes = asBuffer(chunk);
      yield bytes;
      hash.update(bytes);
    }
  }
  return { pieces: pieces(), digest: () => `sha256:${hash.digest('hex')}` };
}

export type ExpandOptions = {
  readonly compression: Compression | 'auto';
  /** The source uses the memory of a piece again when it is asked for the next one. */
  readonly reused?: boolean | undefined;
  /** Shared with the agent that gets the pieces. */
  readonly memory: Buffer | undefined;
  /** Bytes of a piece there. */
  readonly block?: number;
};

/**
 * The expanded bytes of a stream, in `memory` where that is given and this Node can do it. Fails as `decompress` does.
 */
export function expandedBytes(source: AsyncIterable<Uint8Array>, options: ExpandOptions): LayerBytes {
  let chosen: LayerBytes | undefined;
  async function* pieces(): LayerBytes['pieces'] {
    const input = new CountedInput(source);
    const { compression } = options;
    const kind = compression === 'auto' ? detectCompression(await input.peek(magicLength)) : compression;
    chosen = bytesOf(input, kind, options);
    yield* chosen.pieces;
  }
  return {
    pieces: pieces(),
    digest: () => {
      if (chosen === undefined) throw new CoracleError('INTERNAL', 'digest of a layer: it was not read');
      return chosen.digest();
    },
  };
}

function bytesOf(
  input: CountedInput,
  kind: Compression,
  { reused = false, memory, block }: ExpandOptions,
): LayerBytes {
  const gzip = kind === 'gzip';
  const source = input.read();
  const stream = memory === undefined ? undefined : beginStream(gzip);
  const expanded = (): AsyncIterable<Buffer> => collected(decompress(reused ? copied(source) : source, kind));
  if (memory === undefined || stream === undefined) return plainBytes(expanded());
  const filling = new Filling(stream, new BlockRing(memory, block), gzip ? input : undefined);
  return {
    pieces: ahead(filling.pieces(gzip || kind === 'none' ? source : expanded())),
    digest: () => `sha256:${expandAddon().digest(stream).toString('hex')}`,
  };
}

/** Buffers of expanded bytes are many and large. */
async function* collected(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const garbage = new GarbageLimit();
  for await (const chunk of source) {
    yield chunk;
    garbage.used(chunk.length);
  }
}

async function* copied(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  for await (const chunk of source) yield Buffer.from(chunk);
}

function beginStream(gzip: boolean): Expansion | undefined {
  try {
    return expandAddon().begin(gzip);
  } catch (error) {
    if (hasErrno(error, 'ENOSYS')) return undefined;
    throw error;
  }
}

/** Blocks being filled, one after the other. */
class Filling {
  readonly #addon: Expand = expandAddon();
  readonly #stream: Expansion;
  readonly #ring: BlockRing;
  /** What gzip is expanded from; undefined for bytes that are taken as they are. */
  readonly #packed: CountedInput | undefined;
  #block: Block | undefined;
  #filled = 0;
  #output = 0;
  /** A gzip stream is complete between its members, and not before the first. */
  #open: boolean;

  constructor(stream: Expansion, ring: BlockRing, packed: CountedInput | undefined) {
    this.#stream = stream;
    this.#ring = ring;
    this.#packed = packed;
    this.#open = packed !== undefined;
  }

  async *pieces(source: AsyncIterable<Uint8Array>): LayerBytes['pieces'] {
    for await (const chunk of source) {
      const from = asBuffer(chunk);
      for (let at = 0; ; ) {
        const [used, made] = await this.#step(from, at);
        at += used;
        const piece = this.#whole();
        if (piece !== undefined) yield piece;
        // what is left of the input waits for room; without any, there may still be output
        else if (at === from.length || (used === 0 && made === 0)) break;
      }
    }
    if (this.#open) throw damaged('decompress', new Error('unexpected end of file'));
    if (this.#block !== undefined && this.#filled > 0) yield this.#take(this.#block);
  }

  async #step(from: Buffer, at: number): Promise<readonly [used: number, made: number]> {
    this.#block ??= await this.#ring.take();
    const { bytes } = this.#block;
    try {
      const [used, made, open] = await this.#addon.expand(this.#stream, from, at, bytes, this.#filled);
      if (this.#packed !== undefined) this.#open = open;
      this.#filled += made;
      this.#output += made;
      checkExpansion(this.#output, this.#packed?.bytes ?? Number.POSITIVE_INFINITY);
      return [used, made];
    } catch (error) {
      if (error instanceof CoracleError) throw error;
      throw damaged('decompress', error);
    }
  }

  #whole(): Buffer | undefined {
    const block = this.#block;
    return block !== undefined && this.#filled === block.bytes.length ? this.#take(block) : undefined;
  }

  #take(block: Block): Buffer {
    const bytes = block.bytes.subarray(0, this.#filled);
    this.#block = undefined;
    this.#filled = 0;
    return lend(bytes, () => block.release());
  }
}

/** The next piece is being made while one is used. */
async function* ahead(pieces: LayerBytes['pieces']): LayerBytes['pieces'] {
  const begin = (): Promise<IteratorResult<Buffer, void>> => {
    const result = pieces.next();
    // met where it is waited for
    result.catch(() => undefined);
    return result;
  };
  let next = begin();
  try {
    for (let result = await next; result.done !== true; result = await next) {
      next = begin();
      yield result.value;
    }
  } finally {
    // not waited for: its source may be silent for long
    pieces.return(undefined).catch(() => undefined);
  }
}
