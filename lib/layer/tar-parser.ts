/**
 * The tar parser: pushed chunks in, headers and slices of content out, all synchronous. Content is never copied;
 * a header is copied only when a chunk ends inside it.
 *
 * Global PAX headers are passed over, as Go's archive/tar does: a layer has to mean here what it means to Docker.
 */
import { CoracleError } from '../errors.js';
import { parsePax, sparseMapKey } from './pax.js';
import {
  checkSparseMap,
  PaxMapReader,
  parseGnuExtension,
  parseGnuPairs,
  parsePaxMap,
  SparseExpander,
  type SparseSegment,
} from './sparse.js';
import { TarBudget } from './tar-budget.js';
import { blockSize, defaultTarLimits, padding, type TarHeader, type TarLimits } from './tar-entry.js';
import { decodeHeader, isZeroBlock, type RawHeader } from './tar-header.js';
import { mergeHeader, nothingPending, type Pending, sparseFormat } from './tar-merge.js';
import { parseDecimal, parseNumber } from './tar-numbers.js';
import type { State, TarSink } from './tar-state.js';

/** Parses one archive. A new one is needed for the next. */
export class TarParser {
  readonly #sink: TarSink;
  readonly #limits: TarLimits;
  readonly #budget: TarBudget;
  #state: State = { kind: 'header' };
  #pending: Pending = nothingPending();
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Bytes of the chunks before this one. */
  #before = 0;
  #carry: Buffer | undefined;
  #carried = 0;
  /** Stored bytes of content, then of padding, that are still to come. */
  #left = 0;
  #pad = 0;
  #expander: SparseExpander | undefined;
  #zeroBlocks = 0;
  #held = false;

  constructor(sink: TarSink, limits: TarLimits = defaultTarLimits) {
    this.#sink = sink;
    this.#limits = limits;
    this.#budget = new TarBudget(limits);
  }

  /** Takes the next bytes of the archive. Throws INVALID for what is no tar or passes a limit. */
  push(chunk: Buffer): void {
    this.#before += this.#chunk.length;
    this.#chunk = chunk;
    this.#at = 0;
    this.#run();
  }

  /** Called by the sink: nothing more of the chunk is parsed until `resume`, and the chunk must stay as it is. */
  hold(): void {
    this.#held = true;
  }

  /** Goes on with the chunk. */
  resume(): void {
    this.#held = false;
    this.#run();
  }

  #run(): void {
    while (!this.#held && this.#step());
    if (this.#state.kind !== 'done' || this.#at === this.#chunk.length) return;
    this.#sink.raw?.(this.#chunk, this.#at, this.#chunk.length);
    this.#at = this.#chunk.length;
  }

  /** Bytes of content that come next and may be passed over by `skip` instead of pushed; 0 after anything else. */
  get skippable(): number {
    const inside = this.#state.kind === 'content' && this.#expander === undefined;
    return inside && this.#at === this.#chunk.length ? this.#left : 0;
  }

  /** Passes over as many bytes of content, at most `skippable`, as if they had been pushed; the sink gets none of them. */
  skip(count: number): void {
    if (count > this.skippable)
      throw new CoracleError('INTERNAL', `skip ${count} bytes of a tar: no content`);
    this.#before += count;
    this.#left -= count;
    if (this.#left === 0 && count > 0) this.#end();
  }

  /** Says that the archive is over. Throws INVALID when it ends inside an entry. */
  finish(): void {
    const { records, longName, longLink } = this.#pending;
    const pending = records.size > 0 || longName !== undefined || longLink !== undefined;
    const between = this.#state.kind === 'header' && this.#carried === 0 && !pending;
    if (this.#state.kind === 'done' || between) return;
    throw new CoracleError('INVALID', 'read tar: the archive ends inside an entry', {
      hint: 'the file is truncated; fetch or make it again',
    });
  }

  /** One unit of work; false when more input is needed. */
  #step(): boolean {
    const state = this.#state;
    switch (state.kind) {
      case 'header':
        return this.#headerBlock();
      case 'extended':
        return this.#withBytes(state.raw.size + padding(state.raw.size), (data) =>
          this.#extended(state.raw, data),
        );
      case 'gnu-sparse':
        return this.#withBytes(blockSize, (block) => this.#gnuExtension(state, block));
      case 'pax-sparse':
        return this.#withBytes(blockSize, (block) => this.#paxMap(state, block));
      case 'content':
        return this.#content();
      case 'padding':
        return this.#padding();
      case 'done':
        return false;
    }
  }

  /** Most blocks lie whole in the chunk and are read there. */
  #headerBlock(): boolean {
    if (this.#carry !== undefined || this.#chunk.length - this.#at < blockSize)
      return this.#withBytes(blockSize, (block) => this.#header(block, 0));
    const start = this.#at;
    this.#at += blockSize;
    this.#sink.raw?.(this.#chunk, start, this.#at);
    this.#header(this.#chunk, start);
    return true;
  }

  #header(block: Buffer, at: number): void {
    if (isZeroBlock(block, at)) {
      this.#zeroBlocks++;
      if (this.#zeroBlocks === 2) this.#state = { kind: 'done' };
      return;
    }
    if (this.#zeroBlocks > 0) throw new CoracleError('INVALID', 'read tar: an entry follows an end block');
    const raw = decodeHeader(block, at);
    switch (raw.flag) {
      case 'x':
      case 'g':
      case 'L':
      case 'K':
        if (raw.size < 0 || raw.size > this.#limits.header) {
          throw new CoracleError('INVALID', `read tar: an extended header of ${raw.size} bytes is too large`);
        }
        this.#state = { kind: 'extended', raw };
        return;
      case 'S':
        this.#gnuSparse(raw, block.subarray(at, at + blockSize));
        return;
      default:
        this.#entry(raw);
    }
  }

  #extended(raw: RawHeader, padded: Buffer): void {
    this.#state = { kind: 'header' };
    const data = padded.subarray(0, raw.size);
    if (raw.flag === 'x') this.#pending.records = parsePax(data);
    else if (raw.flag === 'L') this.#pending.longName = untilNul(data);
    else if (raw.flag === 'K') this.#pending.longLink = untilNul(data);
    else parsePax(data);
  }

  #gnuSparse(raw: RawHeader, block: Buffer): void {
    const segments = parseGnuPairs(block, 386, 4);
    const size = parseNumber(block, 483, 12, 'sparse size');
    if (block[482] !== 0) this.#state = { kind: 'gnu-sparse', raw, segments, size };
    else this.#sparseEntry(mergeHeader(raw, this.#pending, this.#limits), segments, size);
  }

  #gnuExtension(state: Extract<State, { kind: 'gnu-sparse' }>, block: Buffer): void {
    const { segments, more } = parseGnuExtension(block);
    state.segments.push(...segments);
    if (state.segments.length * 24 > this.#limits.header) throw mapTooLarge();
    if (!more)
      this.#sparseEntry(mergeHeader(state.raw, this.#pending, this.#limits), state.segments, state.size);
  }

  #entry(raw: RawHeader): void {
    const header = mergeHeader(raw, this.#pending, this.#limits);
    const { records } = this.#pending;
    const format = sparseFormat(records);
    if (format === undefined) {
      this.#begin(header, undefined);
      return;
    }
    if (header.type !== 'file')
      throw new CoracleError('INVALID', `read tar: a ${header.type} with a sparse map`);
    const realSize = records.get('GNU.sparse.realsize') ?? records.get('GNU.sparse.size');
    const size = realSize === undefined ? header.size : parseDecimal(realSize, 'sparse size');
    if (format === 'content') this.#state = { kind: 'pax-sparse', header, size, map: new PaxMapReader() };
    else this.#sparseEntry(header, parsePaxMap(records.get(sparseMapKey) ?? Buffer.alloc(0)), size);
  }

  #paxMap(state: Extract<State, { kind: 'pax-sparse' }>, block: Buffer): void {
    const { header, size, map } = state;
    const mapSize = map.size + block.length;
    if (mapSize > this.#limits.header || mapSize > header.size) throw mapTooLarge();
    const segments = map.push(block);
    if (segments !== undefined) this.#sparseEntry({ ...header, size: header.size - mapSize }, segments, size);
  }

  #sparseEntry(header: TarHeader, segments: readonly SparseSegment[], size: number): void {
    const map = { segments, size };
    checkSparseMap(map, header.size);
    this.#begin({ ...header, size }, new SparseExpander(map, (chunk) => this.#sink.data(chunk)), header.size);
  }

  #begin(header: TarHeader, expander: SparseExpander | undefined, stored: number = header.size): void {
    this.#pending = nothingPending();
    this.#budget.take(header, this.#before + this.#at + stored);
    this.#sink.entry(header, expander === undefined ? this.#before + this.#at : undefined);
    this.#expander = expander;
    this.#left = stored;
    this.#pad = padding(stored);
    if (stored === 0) this.#end();
    else this.#state = { kind: 'content' };
  }

  #content(): boolean {
    const slice = this.#chunk.subarray(this.#at, this.#at + this.#left);
    if (slice.length === 0) return false;
    this.#at += slice.length;
    this.#left -= slice.length;
    if (this.#expander === undefined) this.#sink.data(slice);
    else this.#expander.write(slice);
    if (this.#left === 0) this.#end();
    return true;
  }

  #end(): void {
    this.#expander?.end();
    this.#expander = undefined;
    this.#sink.end();
    this.#state = this.#pad === 0 ? { kind: 'header' } : { kind: 'padding' };
  }

  #padding(): boolean {
    const passed = Math.min(this.#pad, this.#chunk.length - this.#at);
    if (passed > 0) this.#sink.raw?.(this.#chunk, this.#at, this.#at + passed);
    this.#at += passed;
    this.#pad -= passed;
    if (this.#pad > 0) return false;
    this.#state = { kind: 'header' };
    return true;
  }

  /** Hands over exactly `size` bytes, a slice of the chunk where it holds them all. */
  #withBytes(size: number, use: (bytes: Buffer) => void): boolean {
    if (this.#carry === undefined && this.#chunk.length - this.#at >= size) {
      const bytes = this.#chunk.subarray(this.#at, this.#at + size);
      this.#at += size;
      this.#sink.raw?.(bytes, 0, size);
      use(bytes);
      return true;
    }
    this.#carry ??= Buffer.allocUnsafe(size);
    const copied = this.#chunk.copy(this.#carry, this.#carried, this.#at, this.#at + size - this.#carried);
    this.#at += copied;
    this.#carried += copied;
    if (this.#carried < size) return false;
    const bytes = this.#carry;
    this.#carry = undefined;
    this.#carried = 0;
    this.#sink.raw?.(bytes, 0, size);
    use(bytes);
    return true;
  }
}

function untilNul(data: Buffer): Buffer {
  const end = data.indexOf(0);
  return Buffer.from(end < 0 ? data : data.subarray(0, end));
}

function mapTooLarge(): CoracleError {
  return new CoracleError('INVALID', 'read tar: a sparse map is too large or incomplete');
}
