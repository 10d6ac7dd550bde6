/** Sparse files in tar: the maps of GNU's own format and of PAX 0.0, 0.1 and 1.0, and the holes filled in. */
import { CoracleError } from '../errors.js';
import { blockSize } from './tar-entry.js';
import { parseDecimal, parseNumber } from './tar-numbers.js';

/** A stretch of stored bytes: where it lies in the file, and how long it is. */
export type SparseSegment = { readonly offset: number; readonly length: number };

/** Where the data lies in a file of `size` bytes; everything else is a hole. */
export type SparseMap = { readonly segments: readonly SparseSegment[]; readonly size: number };

const holeBytes = 256 * 1024;

/** Reads up to `count` offset/length pairs of GNU's format at `start`; an empty pair ends the list. */
export function parseGnuPairs(block: Buffer, start: number, count: number): SparseSegment[] {
  const segments: SparseSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = start + index * 24;
    if (block[at] === 0) break;
    segments.push({
      offset: parseNumber(block, at, 12, 'sparse offset'),
      length: parseNumber(block, at + 12, 12, 'sparse length'),
    });
  }
  return segments;
}

/** Reads `offset,length,offset,length...` of PAX 0.1 (and 0.0, joined by the record parser). */
export function parsePaxMap(value: Buffer): SparseSegment[] {
  const numbers = value.length === 0 ? [] : value.toString('latin1').split(',');
  return pairs(numbers.map((text) => parseDecimal(Buffer.from(text, 'latin1'), 'sparse map')));
}

/**
 * Reads the map of PAX 1.0, which stands at the start of the content in whole blocks: the number of pairs, then
 * the pairs, one number a line.
 */
export class PaxMapReader {
  readonly #numbers: number[] = [];
  #rest = '';
  /** Bytes of the blocks so far. */
  size = 0;

  /** Takes the next block. Undefined: more are needed. */
  push(block: Buffer): SparseSegment[] | undefined {
    this.size += block.length;
    const lines = (this.#rest + block.toString('latin1')).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (this.#isWhole()) break;
      this.#numbers.push(parseDecimal(Buffer.from(line, 'latin1'), 'sparse map'));
    }
    // No number is that long: without an end of line it is refused here.
    if (!this.#isWhole() && this.#rest.length > 16) parseDecimal(Buffer.from(this.#rest), 'sparse map');
    return this.#isWhole() ? pairs(this.#numbers.slice(1)) : undefined;
  }

  #isWhole(): boolean {
    const [count] = this.#numbers;
    return count !== undefined && this.#numbers.length === 1 + 2 * count;
  }
}

/** Checks that segments ascend, do not overlap, lie inside the file, and add up to the stored bytes. Throws INVALID. */
export function checkSparseMap(map: SparseMap, stored: number): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of map.segments) {
    if (offset < end || offset < 0 || length < 0 || offset + length > map.size) {
      throw new CoracleError(
        'INVALID',
        `read tar sparse map: ${length} bytes at ${offset} do not fit a file of ${map.size}`,
      );
    }
    end = offset + length;
    total += length;
  }
  if (total !== stored) {
    throw new CoracleError(
      'INVALID',
      `read tar sparse map: it covers ${total} bytes, the archive holds ${stored}`,
    );
  }
}

/** Turns the stored bytes of a sparse file back into the whole file. */
export class SparseExpander {
  readonly #map: SparseMap;
  readonly #out: (chunk: Buffer) => void;
  #segment = 0;
  #written = 0;

  constructor(map: SparseMap, out: (chunk: Buffer) => void) {
    this.#map = map;
    this.#out = out;
  }

  /** Takes the next stored bytes. */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const segment = this.#map.segments[this.#segment];
      if (segment === undefined) return;
      this.#hole(segment.offset);
      const slice = chunk.subarray(at, at + segment.offset + segment.length - this.#written);
      if (slice.length > 0) this.#out(slice);
      at += slice.length;
      this.#written += slice.length;
      if (this.#written === segment.offset + segment.length) this.#segment++;
    }
  }

  /** Fills what is left with zeros. */
  end(): void {
    this.#hole(this.#map.size);
  }

  #hole(until: number): void {
    while (this.#written < until) {
      const length = Math.min(holeBytes, until - this.#written);
      this.#out(zeros().subarray(0, length));
      this.#written += length;
    }
  }
}

/** Pairs of the blocks that follow a GNU sparse header, and whether another such block comes. */
export function parseGnuExtension(block: Buffer): { segments: SparseSegment[]; more: boolean } {
  return { segments: parseGnuPairs(block, 0, 21), more: block[504] !== 0 && block.length === blockSize };
}

let zeroBytes: Buffer | undefined;
function zeros(): Buffer {
  zeroBytes ??= Buffer.alloc(holeBytes);
  return zeroBytes;
}

function pairs(numbers: readonly number[]): SparseSegment[] {
  if (numbers.length % 2 !== 0) throw new CoracleError('INVALID', 'read tar sparse map: a length is missing');
  const segments: SparseSegment[] = [];
  for (let index = 0; index < numbers.length; index += 2) {
    segments.push({ offset: numbers[index] ?? 0, length: numbers[index + 1] ?? 0 });
  }
  return segments;
}
