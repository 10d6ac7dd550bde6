/**
 * Places that images are copied between. A *source* gives manifests and blobs, a *target* takes them; neither knows
 * the other, nor what the blobs are. A source's bytes are not trusted: the copy checks each blob against its digest.
 */
import { createHash } from 'node:crypto';
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestAlgorithm, makeDigest } from '../oci/digest.js';
import { type ImageManifest, type Manifest, parseManifest } from '../oci/manifest.js';
import type { BlobDescriptor } from '../registry/blobs.js';
import type { AttachedSignature } from '../trust/signature.js';

/** A manifest or index with the bytes its digest stands for. */
export type PlacedManifest = {
  readonly bytes: Buffer;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
};

/** Which blob of which manifest is meant. `layer` is missing for its config. */
export type BlobPlace = { readonly image: PlacedManifest; readonly layer?: number };

export type ImageSource = {
  /** As people know the place. */
  readonly name: string;
  /** What the name points at. @throws NOT_FOUND */
  root(): Promise<PlacedManifest>;
  /** A manifest that an index names. @throws NOT_FOUND */
  child(descriptor: Descriptor): Promise<PlacedManifest>;
  /** The bytes of a blob. */
  open(blob: Descriptor, place: BlobPlace): AsyncIterable<Buffer>;
  /** Whether a layer is a tar that exists only on the way: it may be compressed without breaking a digest. */
  isMade(blob: Descriptor): boolean;
  /** Returns for a manifest that may be used: known by its digest and that of an index which names it. @throws FORBIDDEN */
  readonly approve?: (digests: readonly Digest[]) => Promise<void>;
  /** Signatures that came with a manifest; missing where the place keeps none. */
  readonly signatures?: (digest: Digest) => Promise<readonly AttachedSignature[]>;
  /** None of them may be lost without a word. */
  readonly demandsSignatures?: boolean;
  /** Of a registry: from where a neighbouring repository may take the blob. */
  readonly origin?: { readonly registry: string; readonly repository: string };
  close(): Promise<void>;
};

/** Bytes whose digest is known after the last one. */
export type MadeBlob = {
  readonly chunks: AsyncIterable<Buffer>;
  finish(): BlobDescriptor;
};

export type ImageTarget = {
  readonly name: string;
  /** Of a registry: its host. */
  readonly registry?: string;
  /** Whether layers that are made on the way are compressed. */
  readonly compresses: boolean;
  /** Whether an index can be put there with its images. */
  readonly takesIndex: boolean;
  has(blob: Descriptor): Promise<boolean>;
  /** Stores a blob; `open` is called for each attempt. `from` is a repository of the same registry that has it. */
  put(blob: Descriptor, open: () => AsyncIterable<Buffer>, from?: string): Promise<void>;
  /** Stores a blob that is still to be made. */
  make(open: () => MadeBlob): Promise<BlobDescriptor>;
  /** Stores a manifest of an index, after all it names. */
  putChild(document: PlacedManifest): Promise<void>;
  /** Stores what the name is to point at, and publishes it. */
  putRoot(document: PlacedManifest): Promise<void>;
  /** Keeps signatures of a manifest that is there; missing where the place has no room for any. */
  readonly putSignatures?: (digest: Digest, signatures: readonly AttachedSignature[]) => Promise<void>;
  /** Ends it; what was not published is taken back where that is possible. */
  close(): Promise<void>;
};

/** Bytes of a place as a manifest, checked against what led to them. @throws INTEGRITY, INVALID */
export function placedManifest(
  bytes: Buffer,
  where: string,
  expected: Partial<Pick<Descriptor, 'mediaType' | 'digest' | 'size'>> = {},
): PlacedManifest {
  const algorithm = expected.digest === undefined ? 'sha256' : digestAlgorithm(expected.digest);
  const digest = makeDigest(algorithm, createHash(algorithm).update(bytes).digest('hex'));
  if (expected.digest !== undefined && digest !== expected.digest) {
    throw new CoracleError('INTEGRITY', `read ${where}: the bytes have digest ${digest}`);
  }
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw new CoracleError('INTEGRITY', `read ${where}: ${bytes.length} bytes, expected ${expected.size}`);
  }
  const manifest = parseManifest(bytes, where, expected.mediaType);
  return { bytes, manifest, descriptor: { mediaType: manifest.mediaType, digest, size: bytes.length } };
}

/** Passes a blob on; fails with INTEGRITY after the last byte, or the first one too many. */
export async function* verifiedBytes(
  source: AsyncIterable<Buffer>,
  { digest, size }: BlobDescriptor,
  place: string,
): AsyncGenerator<Buffer, void> {
  const algorithm = digestAlgorithm(digest);
  const hash = createHash(algorithm);
  let length = 0;
  for await (const chunk of source) {
    length += chunk.length;
    if (length > size) throw damaged(`more than ${size} bytes`, digest, place);
    hash.update(chunk);
    yield chunk;
  }
  if (length < size) throw damaged(`only ${length} of ${size} bytes`, digest, place);
  const found = makeDigest(algorithm, hash.digest('hex'));
  if (found !== digest) throw damaged(`the content has digest ${found}`, digest, place);
}

function damaged(reason: string, digest: string, place: string): CoracleError {
  return new CoracleError('INTEGRITY', `copy blob ${digest} from ${place}: ${reason}`, {
    hint: 'the source is damaged or was changed: make it again, or copy it from elsewhere',
  });
}

/** Bytes being made: measured while they go by. */
export function measured(source: AsyncIterable<Buffer>): MadeBlob {
  const hash = createHash('sha256');
  let size = 0;
  async function* chunks(): AsyncGenerator<Buffer, void> {
    for await (const chunk of source) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  }
  return { chunks: chunks(), finish: () => ({ digest: makeDigest('sha256', hash.digest('hex')), size }) };
}

/** The manifest of one image. @throws INVALID for an index */
export function imageManifest({ manifest, descriptor }: PlacedManifest): ImageManifest {
  if (manifest.kind === 'manifest') return manifest;
  throw new CoracleError('INVALID', `read manifest ${descriptor.digest}: an index where an image belongs`);
}
