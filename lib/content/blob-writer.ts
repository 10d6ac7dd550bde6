/** Writing a blob's bytes to a file while hashing them. */
import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { CoracleError } from '../errors.js';
import { writePieces } from '../host/gathered-write.js';
import type { ExpectedBlob, StoredBlob } from './content-store.js';
import { digestOf, hashFor, verifyDigest } from './verified-read.js';

/** Bytes gathered before they are written: small network chunks would cost a system call each. */
const gatherBytes = 256 * 1024;

export class BlobWriter {
  readonly #file: FileHandle;
  readonly #expected: ExpectedBlob;
  readonly #hash: Hash;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #size = 0;

  /** `file` is open for writing and positioned at its end. */
  constructor(file: FileHandle, expected: ExpectedBlob) {
    this.#file = file;
    this.#expected = expected;
    this.#hash = hashFor(expected.digest);
  }

  /** Bytes taken so far, those still in memory included. */
  get size(): number {
    return this.#size;
  }

  /** Counts bytes that are in the file already. */
  resume(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /**
   * Takes the next bytes; the chunk is the writer's from now on.
   * @throws INTEGRITY as soon as there are more than expected.
   */
  async append(chunk: Uint8Array): Promise<void> {
    this.#size += chunk.length;
    if (this.#size > (this.#expected.size ?? this.#size)) throw this.#wrongSize('more than');
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    if (this.#gatheredBytes >= gatherBytes) await this.flush();
  }

  /** Writes what was gathered. The disk works while the hash is computed. */
  async flush(): Promise<void> {
    const pieces = this.#gathered;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    const written = writePieces(this.#file, pieces);
    for (const piece of pieces) this.#hash.update(piece);
    await written;
  }

  /**
   * Writes the rest, waits for the disk, compares with what was expected.
   * @throws INTEGRITY when the size or digest differs.
   */
  async finish(): Promise<StoredBlob> {
    await this.flush();
    const { digest: wanted, size } = this.#expected;
    if (size !== undefined && this.#size < size) throw this.#wrongSize('less than');
    const digest = digestOf(this.#hash, wanted);
    if (wanted !== undefined) verifyDigest(digest, wanted, 'store');
    await this.#file.sync();
    return { digest, size: this.#size };
  }

  #wrongSize(relation: 'more than' | 'less than'): CoracleError {
    const { digest, size } = this.#expected;
    return new CoracleError(
      'INTEGRITY',
      `store blob ${digest ?? ''}: ${this.#size} bytes, ${relation} the ${size} announced`.replace('  ', ' '),
      { hint: 'the sender broke off or announced another size: try again' },
    );
  }
}
