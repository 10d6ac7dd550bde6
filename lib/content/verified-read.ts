/** Reading blobs with their digest checked on the way. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { type Digest, digestAlgorithm, makeDigest } from '../oci/digest.js';
import { missingBlob } from './content-store.js';

/** Large enough that hashing, not system calls, is what a read costs. */
const chunkBytes = 256 * 1024;

/** The hash that makes digests of the same algorithm. */
export function hashFor(digest: Digest | undefined): Hash {
  return createHash(digest === undefined ? 'sha256' : digestAlgorithm(digest));
}

/** The digest of what went into a hash made by `hashFor(digest)`. */
export function digestOf(hash: Hash, digest: Digest | undefined): Digest {
  return makeDigest(digest === undefined ? 'sha256' : digestAlgorithm(digest), hash.digest('hex'));
}

/** @throws INTEGRITY when the bytes do not have this digest. */
export function verifyBytes(bytes: Uint8Array, digest: Digest): void {
  verifyDigest(digestOf(hashFor(digest).update(bytes), digest), digest, 'read');
}

/** @throws INTEGRITY when the digests differ. */
export function verifyDigest(found: Digest, expected: Digest, action: 'read' | 'store'): void {
  if (found === expected) return;
  const hint =
    action === 'read'
      ? 'the file was changed or damaged on the disk: remove the image and pull it again'
      : 'the sender delivered other bytes than it announced: try again, or report it to the registry';
  throw new CoracleError('INTEGRITY', `${action} blob ${expected}: the content has digest ${found}`, {
    hint,
  });
}

/** The chunks of a blob's file; fails with INTEGRITY after the last when they do not have the digest. */
export async function* readVerified(path: string, digest: Digest): AsyncGenerator<Buffer, void, undefined> {
  const hash = hashFor(digest);
  for await (const chunk of readChunks(path, digest)) {
    hash.update(chunk);
    yield chunk;
  }
  verifyDigest(digestOf(hash, digest), digest, 'read');
}

/** The chunks of a file. Each is the reader's own and may be kept. */
export async function* readChunks(path: string, digest: Digest): AsyncGenerator<Buffer, void, undefined> {
  const file = await openBlob(path, digest);
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } catch (error) {
    throw ioError(`read blob ${digest}`, error);
  } finally {
    await file.close();
  }
}

async function openBlob(path: string, digest: Digest): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw missingBlob(digest);
    throw ioError(`open blob ${digest}`, error);
  }
}
