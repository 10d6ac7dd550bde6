/**
 * Reads a table of an SQLite database out of its bytes. The database comes out of an image and is distrusted: whatever does
 * not fit is INVALID, and no page is read twice. https://www.sqlite.org/fileformat2.html
 */
import { invalid } from '../oci/guards.js';

export type SqliteValue = null | number | bigint | string | Buffer;

const magic = 'SQLite format 3\0';
const interiorPage = 0x05;
const leafPage = 0x0d;
/** The most bytes of one row. */
const rowLimit = 64 << 20;
const nameColumn = 1;
const rootColumn = 3;

/** The rows of the table `name`, in the order of their keys. @throws INVALID for what is no database or has no such table */
export function* readSqliteTable(
  bytes: Buffer,
  name: string,
  where: string,
): Generator<readonly SqliteValue[]> {
  const database = new Database(bytes, where);
  for (const row of database.rows(1)) {
    if (row[0] !== 'table' || row[nameColumn] !== name) continue;
    const root = row[rootColumn];
    if (typeof root !== 'number') throw database.fault(`the root page of ${name} is no number`);
    yield* database.rows(root);
    return;
  }
  throw database.fault(`it has no table ${name}`);
}

class Database {
  readonly #bytes: Buffer;
  readonly #where: string;
  readonly #pageSize: number;
  /** Bytes of a page that are not set apart for extensions. */
  readonly #usable: number;
  readonly #seen = new Set<number>();

  constructor(bytes: Buffer, where: string) {
    this.#bytes = bytes;
    this.#where = where;
    if (bytes.length < 100 || bytes.toString('latin1', 0, 16) !== magic)
      throw this.fault('it is no SQLite database');
    const size = bytes.readUInt16BE(16);
    this.#pageSize = size === 1 ? 65536 : size;
    this.#usable = this.#pageSize - bytes.readUInt8(20);
    if (this.#pageSize < 512 || (this.#pageSize & (this.#pageSize - 1)) !== 0 || this.#usable < 480)
      throw this.fault(`pages of ${this.#pageSize} bytes`);
  }

  fault(reason: string): Error {
    return invalid(this.#where, reason);
  }

  /** The rows below a page, an ordinary table's. Depth is bounded: no page is visited twice. */
  *rows(number: number): Generator<readonly SqliteValue[]> {
    const page = this.#page(number);
    const start = number === 1 ? 100 : 0;
    const type = page.readUInt8(start);
    const count = page.readUInt16BE(start + 3);
    const pointers = start + (type === interiorPage ? 12 : 8);
    if (type !== interiorPage && type !== leafPage) throw this.fault(`page ${number} has type ${type}`);
    if (pointers + 2 * count > page.length) throw this.fault(`page ${number} has ${count} cells`);
    for (let index = 0; index < count; index++) {
      const cell = page.readUInt16BE(pointers + 2 * index);
      if (cell + 4 > page.length) throw this.fault(`a cell of page ${number} lies behind its end`);
      if (type === interiorPage) yield* this.rows(page.readUInt32BE(cell));
      else yield this.#record(this.#payload(page, cell));
    }
    if (type === interiorPage) yield* this.rows(page.readUInt32BE(start + 8));
  }

  #page(number: number): Buffer {
    const start = (number - 1) * this.#pageSize;
    if (number < 1 || start + this.#pageSize > this.#bytes.length)
      throw this.fault(`there is no page ${number}`);
    if (this.#seen.has(number)) throw this.fault(`page ${number} is used twice`);
    this.#seen.add(number);
    return this.#bytes.subarray(start, start + this.#usable);
  }

  /** A row's bytes, those on overflow pages included. */
  #payload(page: Buffer, cell: number): Buffer {
    const size = this.#varint(page, cell);
    const key = this.#varint(page, size.end);
    const length = Number(size.value);
    if (length > rowLimit) throw this.fault(`a row of ${length} bytes`);
    const local = this.#localSize(length);
    if (key.end + local > page.length) throw this.fault('a row lies behind the end of its page');
    const parts = [page.subarray(key.end, key.end + local)];
    let rest = length - local;
    let next = rest > 0 && key.end + local + 4 <= page.length ? page.readUInt32BE(key.end + local) : 0;
    while (rest > 0) {
      const overflow = this.#page(next);
      const part = overflow.subarray(4, Math.min(overflow.length, 4 + rest));
      parts.push(part);
      rest -= part.length;
      next = overflow.readUInt32BE(0);
    }
    return parts.length === 1 ? (parts[0] ?? Buffer.alloc(0)) : Buffer.concat(parts);
  }

  /** How much of a row is on its own page. */
  #localSize(length: number): number {
    const most = this.#usable - 35;
    if (length <= most) return length;
    const least = Math.floor(((this.#usable - 12) * 32) / 255) - 23;
    const size = least + ((length - least) % (this.#usable - 4));
    return size <= most ? size : least;
  }

  #record(payload: Buffer): readonly SqliteValue[] {
    const header = this.#varint(payload, 0);
    const end = Number(header.value);
    if (end > payload.length) throw this.fault('a row is shorter than its header');
    const values: SqliteValue[] = [];
    let data = end;
    for (let at = header.end; at < end; ) {
      const type = this.#varint(payload, at);
      at = type.end;
      const { value, size } = this.#value(payload, data, Number(type.value));
      values.push(value);
      data += size;
    }
    return values;
  }

  #value(bytes: Buffer, at: number, type: number): { readonly value: SqliteValue; readonly size: number } {
    const size = type >= 12 ? Math.floor((type - 12) / 2) : (sizes[type] ?? -1);
    if (size < 0 || at + size > bytes.length) throw this.fault(`a value of type ${type} does not fit`);
    if (type === 0) return { value: null, size };
    if (type === 8 || type === 9) return { value: type - 8, size };
    if (type === 7) return { value: bytes.readDoubleBE(at), size };
    if (type === 6) return { value: bytes.readBigInt64BE(at), size };
    if (type < 6) return { value: bytes.readIntBE(at, size), size };
    const part = bytes.subarray(at, at + size);
    return { value: type % 2 === 0 ? part : part.toString('utf8'), size };
  }

  /** Big-endian groups of seven bits; all eight of the ninth byte count. */
  #varint(bytes: Buffer, at: number): { readonly value: bigint; readonly end: number } {
    let value = 0n;
    for (let index = 0; index < 9; index++) {
      const byte = bytes[at + index];
      if (byte === undefined) throw this.fault('a number is cut off');
      if (index === 8) return { value: (value << 8n) | BigInt(byte), end: at + 9 };
      value = (value << 7n) | BigInt(byte & 0x7f);
      if (byte < 0x80) return { value, end: at + index + 1 };
    }
    throw this.fault('a number is too long');
  }
}

/** Bytes of the serial types below 12; 10 and 11 are the library's own. */
const sizes: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];
