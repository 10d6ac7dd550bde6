/**
 * Blobs by digest, as an OCI image layout keeps them: `blobs/<algorithm>/<hex>`.
 *
 * A blob is there whole or not at all: bytes are staged, hashed, compared, synced and renamed. What is there
 * never changes, so two writers of one digest do no harm and readers need no lock. The synchronous half is on
 * the way of every container start and loads no cryptography; the rest is loaded when used.
 */
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { namesIn, readBytes } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import type { Locks, StagingArea } from '../host/staging.js';
import { type Digest, digestAlgorithm, digestHex, isDigest } from '../oci/digest.js';
import type { PartialIngest } from './partial-ingest.js';
import type { PartialRanges } from './partial-ranges.js';

/** What a stored blob turned out to be. */
export type StoredBlob = { readonly digest: Digest; readonly size: number };

/** What the caller knows about a blob before it is read. */
export type ExpectedBlob = { readonly digest?: Digest; readonly size?: number };

/** The most bytes a manifest or config read on the way of a start may have. */
export const trustedReadLimit = 8 * 1024 * 1024;

export class ContentStore {
  readonly #paths: StorePaths;
  readonly #staging: StagingArea;
  readonly #locks: Locks;

  constructor(paths: StorePaths, staging: StagingArea, locks: Locks) {
    this.#paths = paths;
    this.#staging = staging;
    this.#locks = locks;
  }

  /** Where the blob lies or would lie. */
  pathOf(digest: Digest): string {
    return join(this.#paths.blobs, digestAlgorithm(digest), digestHex(digest));
  }

  /** Bytes of the blob, undefined when it is not here. */
  size(digest: Digest): number | undefined {
    return this.ownSize(digest) ?? this.#sharedSize(digest);
  }

  /** As `size`, but of the store's own blobs alone. */
  ownSize(digest: Digest): number | undefined {
    return sizeOf(this.pathOf(digest), digest);
  }

  /** Where the blob can be read; where it would be, if nobody has it. */
  find(digest: Digest): string {
    const own = this.pathOf(digest);
    if (this.#paths.additional.length === 0 || this.ownSize(digest) !== undefined) return own;
    return this.#sharedPaths(digest).find((path) => sizeOf(path, digest) !== undefined) ?? own;
  }

  /** Whether the blob is here. */
  has(digest: Digest): boolean {
    return this.size(digest) !== undefined;
  }

  /**
   * The bytes without hashing them again, for small records on the way of a start.
   * @throws NOT_FOUND, or INVALID when it is larger than `limit`.
   */
  readTrusted(digest: Digest, limit = trustedReadLimit): Buffer {
    const bytes = readBytes(this.find(digest), limit);
    if (bytes === undefined) throw missingBlob(digest);
    return bytes;
  }

  /**
   * The bytes, checked against the digest.
   * @throws NOT_FOUND, INTEGRITY, or INVALID when it is larger than `limit`.
   */
  async read(digest: Digest, limit = trustedReadLimit): Promise<Buffer> {
    const bytes = this.readTrusted(digest, limit);
    const { verifyBytes } = await import('./verified-read.js');
    verifyBytes(bytes, digest);
    return bytes;
  }

  /**
   * The bytes as a stream. They are hashed on the way: a blob that changed on the disk ends with INTEGRITY
   * after its last chunk, so nothing made of them may be published before the end.
   */
  async *open(digest: Digest): AsyncGenerator<Buffer, void, undefined> {
    const { readVerified } = await import('./verified-read.js');
    yield* readVerified(this.find(digest), digest);
  }

  /** Stores bytes; once they are here, doing it again writes nothing. */
  async put(bytes: Uint8Array): Promise<StoredBlob> {
    const { putBytes } = await import('./ingest.js');
    return putBytes(this, this.#staging, bytes);
  }

  /**
   * Stores a stream under its digest.
   * @throws INTEGRITY when it is not what was expected, NO_SPACE; nothing is left behind then.
   */
  async ingest(source: AsyncIterable<Uint8Array>, expected: ExpectedBlob = {}): Promise<StoredBlob> {
    const { ingestStream } = await import('./ingest.js');
    return ingestStream(this, this.#staging, source, expected);
  }

  /**
   * A download that can be taken up again after a broken connection or a dead process: waits until no other
   * process works on the same digest. Check `has` again afterwards, the other may have finished it.
   */
  async partial(digest: Digest, options: { readonly signal?: AbortSignal } = {}): Promise<PartialIngest> {
    const { openPartial } = await import('./partial-ingest.js');
    return openPartial(
      digest,
      { paths: this.#paths, locks: this.#locks, target: this.pathOf(digest) },
      options,
    );
  }

  /** Parts of a blob that can be taken up again as `partial` can; for this process alone where another one works on them. */
  async ranges(blob: Required<ExpectedBlob>): Promise<PartialRanges> {
    const { openRanges } = await import('./partial-ranges.js');
    const own = (): string => this.#staging.open().file('ranges');
    return openRanges(blob, { paths: this.#paths, locks: this.#locks, own });
  }

  /** Takes the blob away; one that is not here is no error. */
  remove(digest: Digest): void {
    try {
      rmSync(this.pathOf(digest), { force: true });
    } catch (error) {
      throw ioError(`remove blob ${digest}`, error);
    }
  }

  /** All digests of the store's own, in no order. Files whose names are no digests are not ours and passed over. */
  list(): Digest[] {
    return ['sha256', 'sha512'].flatMap((algorithm) =>
      namesIn(join(this.#paths.blobs, algorithm))
        .map((hex) => `${algorithm}:${hex}`)
        .filter(isDigest),
    );
  }

  #sharedPaths(digest: Digest): readonly string[] {
    return this.#paths.additional.map(({ blobs }) => join(blobs, digestAlgorithm(digest), digestHex(digest)));
  }

  #sharedSize(digest: Digest): number | undefined {
    for (const path of this.#sharedPaths(digest)) {
      const size = sizeOf(path, digest);
      if (size !== undefined) return size;
    }
    return undefined;
  }
}

function sizeOf(path: string, digest: Digest): number | undefined {
  try {
    return statSync(path).size;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return undefined;
    throw ioError(`open blob ${digest}`, error);
  }
}

/** The error for a blob that is not in the store. */
export function missingBlob(digest: Digest): CoracleError {
  return new CoracleError('NOT_FOUND', `open blob ${digest}: not in the store`, {
    hint: 'pull the image again',
  });
}
