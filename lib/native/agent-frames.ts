/** Bytes of the file agent's frames: a growing writer for requests, a reader for replies. native/PROTOCOL.md section 4. */
import { CoracleError } from '../errors.js';

/** Frames are sent when they have come to this many bytes. */
export const flushBytes = 256 * 1024;
/** A small frame may still follow below the limit. */
const bufferSize = flushBytes + 64 * 1024;
/** Buffers kept for the next frames: fresh memory costs a page fault every 4 KiB. */
const spareLimit = 4;

/** Appends little-endian fields. `take` hands the bytes over and starts anew. */
export class FrameWriter {
  readonly #spare: Buffer[] = [];
  #buffer: Buffer = Buffer.allocUnsafeSlow(bufferSize);
  #length = 0;
  #frame = 0;

  get length(): number {
    return this.#length;
  }

  begin(operation: number, flags: number, tag: number): this {
    this.#frame = this.#length;
    return this.u32(0).u16(operation).u16(flags).u32(tag);
  }

  /** Closes the frame that `begin` opened. */
  end(): void {
    this.#buffer.writeUInt32LE(this.#length - this.#frame - 4, this.#frame);
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    const buffer = this.#buffer;
    const at = this.#length;
    buffer[at] = value;
    buffer[at + 1] = value >>> 8;
    this.#length = at + 2;
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    // an array takes the lowest byte of what it is given; Buffer's own methods check every value first
    const buffer = this.#buffer;
    const at = this.#length;
    buffer[at] = value;
    buffer[at + 1] = value >>> 8;
    buffer[at + 2] = value >>> 16;
    buffer[at + 3] = value >>> 24;
    this.#length = at + 4;
    return this;
  }

  /** Up to 2^53. */
  u64(value: number): this {
    return this.u32(value % 0x100000000).u32(Math.floor(value / 0x100000000));
  }

  /** Within 2^53 of zero. */
  i64(value: number): this {
    const high = Math.floor(value / 0x100000000);
    return this.u32(value - high * 0x100000000).u32(high);
  }

  bytes(value: string | Uint8Array): this {
    if (typeof value !== 'string') return this.#raw(value);
    const length = Buffer.byteLength(value);
    this.u32(length);
    this.#reserve(length);
    this.#length += this.#buffer.write(value, this.#length);
    return this;
  }

  #raw(value: Uint8Array): this {
    this.u32(value.length);
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(bufferSize);
    this.#length = 0;
    return bytes;
  }

  /** Gives back what `take` handed over, once nobody reads it any more. */
  recycle(bytes: Buffer): void {
    if (bytes.buffer.byteLength !== bufferSize || this.#spare.length >= spareLimit) return;
    this.#spare.push(Buffer.from(bytes.buffer));
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + count));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads fields of one reply; going past its end is a defect of the agent. */
export class FrameReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#advance(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#advance(4));
  }

  /** @throws INTERNAL above 2^53. */
  u64(): number {
    const at = this.#advance(8);
    return joined(this.#buffer.readUInt32LE(at + 4), this.#buffer.readUInt32LE(at));
  }

  i64(): number {
    const at = this.#advance(8);
    return joined(this.#buffer.readInt32LE(at + 4), this.#buffer.readUInt32LE(at));
  }

  bytes(): Buffer {
    const length = this.u32();
    const at = this.#advance(length);
    return this.#buffer.subarray(at, at + length);
  }

  /** The next bytes as they are. */
  view(count: number): DataView {
    return new DataView(this.#buffer.buffer, this.#buffer.byteOffset + this.#advance(count), count);
  }

  #advance(count: number): number {
    const at = this.#at;
    this.#at += count;
    if (this.#at > this.#buffer.length)
      throw new CoracleError('INTERNAL', 'read agent reply: it is too short');
    return at;
  }
}

/** A number of 64 bits. @throws INTERNAL above 2^53. */
export function joined(high: number, low: number): number {
  const number = high * 0x100000000 + low;
  if (!Number.isSafeInteger(number))
    throw new CoracleError('INTERNAL', `read agent reply: ${number} is too large`);
  return number;
}

/** Of a data reply `payload` is a part of the bytes; of all others the fields. */
export type Reply = { readonly kind: number; readonly tag: number; readonly payload: Buffer };

export const replyKinds = { ok: 0, error: 1, entry: 2, data: 3, end: 4 } as const;

const headerSize = 12;

/**
 * Cuts a byte stream into replies. Content is handed on as it comes, not copied and not gathered to whole frames; of other
 * replies only those are copied that a chunk ends in.
 */
export class ReplySplitter {
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #parts: Buffer[] = [];
  #gathered = 0;
  #header: { readonly kind: number; readonly tag: number; readonly size: number } | undefined;
  /** Content still to come of the data reply in hand. */
  #left = 0;

  /** What `chunk` completes. */
  *push(chunk: Buffer): Generator<Reply> {
    this.#chunk = chunk;
    this.#at = 0;
    for (let reply = this.#next(); reply !== undefined; reply = this.#next()) yield reply;
  }

  #next(): Reply | undefined {
    for (;;) {
      if (this.#header === undefined) {
        const bytes = this.#exactly(headerSize);
        if (bytes === undefined) return undefined;
        this.#header = parseHeader(bytes);
      }
      const { kind, tag, size } = this.#header;
      if (kind !== replyKinds.data) {
        const payload = this.#exactly(size);
        if (payload === undefined) return undefined;
        this.#header = undefined;
        return { kind, tag, payload };
      }
      if (this.#left === 0) {
        const prefix = this.#exactly(4);
        if (prefix === undefined) return undefined;
        this.#left = prefix.readUInt32LE(0);
        if (this.#left !== size - 4) throw badFrame(size);
      }
      const payload = this.#chunk.subarray(this.#at, this.#at + this.#left);
      this.#at += payload.length;
      this.#left -= payload.length;
      if (this.#left === 0) this.#header = undefined;
      else if (payload.length === 0) return undefined;
      if (payload.length > 0) return { kind, tag, payload };
    }
  }

  /** So many bytes, a slice of the chunk where it holds them all; undefined until they are there. */
  #exactly(size: number): Buffer | undefined {
    const part = this.#chunk.subarray(this.#at, this.#at + size - this.#gathered);
    this.#at += part.length;
    if (part.length === size) return part;
    this.#parts.push(part);
    this.#gathered += part.length;
    if (this.#gathered < size) return undefined;
    const whole = Buffer.concat(this.#parts, size);
    this.#parts = [];
    this.#gathered = 0;
    return whole;
  }
}

function parseHeader(bytes: Buffer): { kind: number; tag: number; size: number } {
  const size = bytes.readUInt32LE(0) - (headerSize - 4);
  const kind = bytes.readUInt16LE(4);
  if (size < (kind === replyKinds.data ? 4 : 0)) throw badFrame(size);
  return { kind, tag: bytes.readUInt32LE(8), size };
}

function badFrame(size: number): CoracleError {
  return new CoracleError('INTERNAL', `read agent reply: a frame of ${size} bytes`);
}
