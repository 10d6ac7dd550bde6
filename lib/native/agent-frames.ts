/** Bytes of the file agent's frames: a growing writer for requests, a reader for replies. native/PROTOCOL.md section 4. */
import { CoracleError } from '../errors.js';

/** Appends little-endian fields. `take` hands the bytes over and starts anew. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafe(64 * 1024);
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
    this.#length = this.#buffer.writeUInt8(value, this.#length);
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#length = this.#buffer.writeUInt16LE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value >>> 0, this.#length);
    return this;
  }

  /** Up to 2^53. */
  u64(value: number): this {
    this.#reserve(8);
    this.#buffer.writeUInt32LE((value % 0x100000000) >>> 0, this.#length);
    this.#length = this.#buffer.writeUInt32LE(Math.floor(value / 0x100000000) >>> 0, this.#length + 4);
    return this;
  }

  i64(value: number): this {
    this.#reserve(8);
    this.#length = this.#buffer.writeBigInt64LE(BigInt(value), this.#length);
    return this;
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
    this.#buffer = Buffer.allocUnsafe(64 * 1024);
    this.#length = 0;
    return bytes;
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
    return safe(this.#buffer.readBigUInt64LE(this.#advance(8)));
  }

  i64(): number {
    return safe(this.#buffer.readBigInt64LE(this.#advance(8)));
  }

  bytes(): Buffer {
    const length = this.u32();
    const at = this.#advance(length);
    return this.#buffer.subarray(at, at + length);
  }

  #advance(count: number): number {
    const at = this.#at;
    this.#at += count;
    if (this.#at > this.#buffer.length)
      throw new CoracleError('INTERNAL', 'read agent reply: it is too short');
    return at;
  }
}

function safe(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new CoracleError('INTERNAL', `read agent reply: ${value} is too large`);
  return number;
}

export type Reply = { readonly kind: number; readonly tag: number; readonly payload: Buffer };

/** Cuts a byte stream into replies. Chunks of an unfinished reply are kept apart, so a large one is copied once. */
export class ReplySplitter {
  #chunks: Buffer[] = [];
  #length = 0;
  #wanted = 4;

  /** The whole replies that `chunk` completes. */
  *push(chunk: Buffer): Generator<Reply> {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return;
    let buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#wanted = 4;
    while (buffer.length >= 4) {
      const end = 4 + buffer.readUInt32LE(0);
      if (end < 12) throw new CoracleError('INTERNAL', `read agent reply: a frame of ${end - 4} bytes`);
      if (buffer.length < end) {
        this.#wanted = end;
        break;
      }
      yield { kind: buffer.readUInt16LE(4), tag: buffer.readUInt32LE(8), payload: buffer.subarray(12, end) };
      buffer = buffer.subarray(end);
    }
    this.#chunks = buffer.length === 0 ? [] : [buffer];
    this.#length = buffer.length;
  }
}
