/** A directory as a place of caches: an OCI image layout, which other tools can read, with caches under their tags. */
import { createReadStream, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { ensureDirectory, readBytes, writeFileAtomic } from '../host/files.js';
import { randomHex } from '../host/random.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestAlgorithm, digestHex, parseDigest } from '../oci/digest.js';
import {
  annotationNames,
  layoutMarker,
  layoutNames,
  parseLayoutIndex,
  serializeLayoutIndex,
} from '../oci/layout.js';
import { manifestLimit, parseManifest } from '../oci/manifest.js';
import { sha256 } from './cache-key.js';
import { type CacheOrigin, type CacheTarget, readVerifiedBlob } from './cache-place.js';

export type LayoutPlace = {
  readonly directory: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
};

const defaultTag = 'latest';

/** A layout to read from. */
export function layoutOrigin({ directory, tag = defaultTag, digest }: LayoutPlace): CacheOrigin {
  const root = resolve(directory);
  const origin: CacheOrigin = {
    name: directory,
    manifest: async () => {
      const found = readIndex(root).find((entry) =>
        digest === undefined ? entry.annotations?.[annotationNames.refName] === tag : entry.digest === digest,
      );
      if (found === undefined) return undefined;
      const bytes = await readVerifiedBlob(origin, found, manifestLimit);
      return parseManifest(bytes, `manifest ${found.digest}`, found.mediaType);
    },
    blob: (descriptor) => readBlob(root, descriptor),
    close: async () => undefined,
  };
  return origin;
}

/** A layout to write to; made when missing. */
export function layoutTarget({ directory, tag = defaultTag }: LayoutPlace): CacheTarget {
  const root = resolve(directory);
  return {
    name: directory,
    has: async ({ digest, size }) =>
      statSync(blobPath(root, digest), { throwIfNoEntry: false })?.size === size,
    put: (descriptor, open) => writeBlob(root, descriptor.digest, open()),
    publish: async (bytes, mediaType) => {
      const digest = parseDigest(`sha256:${sha256(bytes)}`, 'manifest');
      await writeBlob(root, digest, [bytes]);
      writeFileAtomic(join(root, layoutNames.marker), layoutMarker, { mode: 0o644 });
      const others = readIndex(root).filter((entry) => entry.annotations?.[annotationNames.refName] !== tag);
      const annotations = { [annotationNames.refName]: tag };
      const entry: Descriptor = { mediaType, digest, size: bytes.length, annotations };
      const text = serializeLayoutIndex([...others, entry]);
      writeFileAtomic(join(root, layoutNames.index), text, { mode: 0o644 });
    },
    close: async () => undefined,
  };
}

function readIndex(root: string): readonly Descriptor[] {
  const path = join(root, layoutNames.index);
  const bytes = readBytes(path, manifestLimit);
  return bytes === undefined ? [] : parseLayoutIndex(bytes.toString(), path).manifests;
}

function blobPath(root: string, digest: Digest): string {
  return join(root, layoutNames.blobs, digestAlgorithm(digest), digestHex(digest));
}

async function* readBlob(root: string, { digest }: Descriptor): AsyncGenerator<Buffer, void> {
  const path = blobPath(root, digest);
  if (!existsSync(path)) throw new CoracleError('NOT_FOUND', `read ${path}: the cache lacks this blob`);
  try {
    yield* createReadStream(path);
  } catch (error) {
    throw ioError(`read ${path}`, error);
  }
}

/** Staged beside its place, then renamed. */
async function writeBlob(
  root: string,
  digest: Digest,
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  const path = blobPath(root, digest);
  const staged = `${path}.${randomHex(6)}.tmp`;
  try {
    ensureDirectory(join(root, layoutNames.blobs, digestAlgorithm(digest)), 0o755);
    await writeFile(staged, bytes, { mode: 0o644 });
    renameSync(staged, path);
  } catch (error) {
    throw ioError(`write ${path}`, error);
  } finally {
    rmSync(staged, { force: true });
  }
}
