/** Where caches lie: what the builder needs of a place, be it a directory or a registry. */
import { createHash } from 'node:crypto';
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { makeDigest } from '../oci/digest.js';
import type { Manifest } from '../oci/manifest.js';

/** A place caches are read from. */
export type CacheOrigin = {
  /** As people named it. */
  readonly name: string;
  /** The manifest; undefined where there is none. Its digest is verified where one leads to it. */
  manifest(): Promise<Manifest | undefined>;
  /** A blob's bytes, not verified. */
  blob(descriptor: Descriptor): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
};

/** A place caches are written to. */
export type CacheTarget = {
  readonly name: string;
  has(descriptor: Descriptor): Promise<boolean>;
  /** Stores a blob; `open` may be called again when sending fails. */
  put(descriptor: Descriptor, open: () => AsyncIterable<Uint8Array>): Promise<void>;
  /** Stores the manifest last, under the place's name. */
  publish(bytes: Buffer, mediaType: string): Promise<void>;
  close(): Promise<void>;
};

/** Opens places in registries; handed in, since the builder knows no registry. */
export type CachePlaces = {
  readonly origin: (reference: string) => CacheOrigin;
  readonly target: (reference: string) => CacheTarget;
};

/** All of a blob whose bytes have its digest and size. @throws INTEGRITY */
export async function readVerifiedBlob(
  origin: CacheOrigin,
  descriptor: Descriptor,
  limit: number,
): Promise<Buffer> {
  if (descriptor.size > limit)
    throw new CoracleError(
      'INVALID',
      `read ${descriptor.digest} of cache ${origin.name}: ${descriptor.size} bytes`,
    );
  const chunks: Uint8Array[] = [];
  for await (const chunk of verified(origin, descriptor)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** A blob's bytes; fails after the last when they are not what the descriptor says. @throws INTEGRITY */
export async function* verified(
  origin: CacheOrigin,
  descriptor: Descriptor,
): AsyncGenerator<Uint8Array, void> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of origin.blob(descriptor)) {
    size += chunk.length;
    if (size > descriptor.size) break;
    hash.update(chunk);
    yield chunk;
  }
  if (size === descriptor.size && makeDigest('sha256', hash.digest('hex')) === descriptor.digest) return;
  throw new CoracleError(
    'INTEGRITY',
    `read ${descriptor.digest} of cache ${origin.name}: the content is another one`,
    { hint: 'build without this --cache-from, and export the cache again' },
  );
}
