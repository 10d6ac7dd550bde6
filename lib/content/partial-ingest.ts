/**
 * Downloads that survive a broken connection and a dead process: the bytes so far lie in
 * `staging/partial/<algorithm>-<hex>`, one process at a time adds to them.
 */
import { rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { type HeldLock, type Locks, partialsName } from '../host/staging.js';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import { BlobWriter } from './blob-writer.js';
import type { ExpectedBlob, StoredBlob } from './content-store.js';
import { publish } from './ingest.js';
import { readChunks } from './verified-read.js';

export type PartialPlace = {
  readonly paths: StorePaths;
  readonly locks: Locks;
  /** Where the finished blob goes. */
  readonly target: string;
};

type PartialParts = {
  readonly path: string;
  readonly target: string;
  readonly digest: Digest;
  readonly file: FileHandle;
  readonly writer: BlobWriter;
  readonly lock: HeldLock;
};

/** An open partial download. Ends with exactly one of `commit`, `abandon` and `suspend`. */
export class PartialIngest {
  readonly #parts: PartialParts;

  constructor(parts: PartialParts) {
    this.#parts = parts;
  }

  /** Bytes that need not be fetched again: ask the registry for the range from here. */
  get offset(): number {
    return this.#parts.writer.size;
  }

  /** The file that grows, for reading along; an open descriptor of it stays good after the commit. */
  get path(): string {
    return this.#parts.path;
  }

  /** Takes the next bytes; the chunk belongs to the ingest from now on. */
  async append(chunk: Uint8Array): Promise<void> {
    try {
      await this.#parts.writer.append(chunk);
    } catch (error) {
      throw ioError(`store blob ${this.#parts.digest}`, error);
    }
  }

  /**
   * Verifies and publishes the blob.
   * @throws INTEGRITY when it is not what the digest says; what was fetched is then thrown away.
   */
  async commit(expected: ExpectedBlob = {}): Promise<StoredBlob> {
    try {
      const size = expected.size ?? this.offset;
      if (size !== this.offset) {
        throw new CoracleError(
          'INTEGRITY',
          `store blob ${this.#parts.digest}: ${this.offset} bytes, ${size} were announced`,
          { hint: 'the sender broke off or announced another size: try again' },
        );
      }
      const blob = await this.#parts.writer.finish();
      publish(this.#parts.path, this.#parts.target);
      return blob;
    } catch (error) {
      rmSync(this.#parts.path, { force: true });
      throw ioError(`store blob ${this.#parts.digest}`, error);
    } finally {
      await this.#close();
    }
  }

  /** Throws the bytes away. */
  async abandon(): Promise<void> {
    rmSync(this.#parts.path, { force: true });
    await this.#close();
  }

  /** Keeps the bytes for a later attempt. */
  async suspend(): Promise<void> {
    try {
      await this.#parts.writer.flush();
    } catch (error) {
      throw ioError(`store blob ${this.#parts.digest}`, error);
    } finally {
      await this.#close();
    }
  }

  async #close(): Promise<void> {
    await this.#parts.file.close();
    this.#parts.lock.release();
  }
}

/** Milliseconds between looks at a lock another process holds. */
const pollInterval = 50;

/** Opens the partial download of a digest, waiting for whoever works on it. */
export async function openPartial(
  digest: Digest,
  place: PartialPlace,
  options: { readonly signal?: AbortSignal },
): Promise<PartialIngest> {
  const { paths, locks, target } = place;
  const name = `${digestAlgorithm(digest)}-${digestHex(digest)}`;
  const path = join(paths.staging, partialsName, name);
  ensureDirectory(join(paths.staging, partialsName));
  const lock = await waitForLock(join(paths.locks, `partial-${name}`), locks, options.signal);
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'a', 0o600);
    const writer = new BlobWriter(file, { digest });
    for await (const chunk of readChunks(path, digest)) writer.resume(chunk);
    return new PartialIngest({ path, target, digest, file, writer, lock });
  } catch (error) {
    await file?.close();
    lock.release();
    throw ioError(`store blob ${digest}`, error);
  }
}

/**
 * Takes a lock named after a passing thing, looking again until it is free: blocking in the kernel would stop
 * this process, and the holder may be another operation in it.
 * @throws ABORTED when the signal comes first.
 */
export async function waitForLock(path: string, locks: Locks, signal?: AbortSignal): Promise<HeldLock> {
  for (;;) {
    if (signal?.aborted) throw new CoracleError('ABORTED', `wait for ${path}: aborted`);
    const lock = locks.holdLock(path, { temporary: true });
    if (lock !== undefined) return lock;
    await delay(pollInterval);
  }
}
