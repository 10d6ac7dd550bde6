/**
 * Signatures that came with images of the store, for a push or a copy that takes them along. None is believed for being here.
 * `build/signatures/<digest hex of a manifest>.json`: a list of `{"payload": base64, "signature": base64, "annotations": {...}}`.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import type { Stores } from '../image/stores.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { requireArray, requireObject, requireString, requireStringMap } from '../oci/guards.js';
import type { AttachedSignature } from '../trust/signature.js';

const recordLimit = 64 * 1024 * 1024;

/** Remembers the signatures of a manifest of the store, in place of those before. */
export function keepSignatures(
  { paths }: Pick<Stores, 'paths'>,
  digest: Digest,
  signatures: readonly AttachedSignature[],
): void {
  const directory = join(paths.build, 'signatures');
  if (signatures.length === 0) return rmSync(recordPath(directory, digest), { force: true });
  ensureDirectory(directory);
  writeFileAtomic(recordPath(directory, digest), `${JSON.stringify(signatures.map(documentOf))}\n`);
}

/** The signatures that came with a manifest of the store. @throws INVALID for a damaged record */
export function keptSignatures(
  { paths }: Pick<Stores, 'paths'>,
  digest: Digest,
): readonly AttachedSignature[] {
  const path = recordPath(join(paths.build, 'signatures'), digest);
  const value = readJson(path, recordLimit);
  return value === undefined ? [] : requireArray(value, path).map((item) => parseSignature(item, path));
}

/** A signature as JSON. */
export function documentOf({ payload, ...signature }: AttachedSignature): Record<string, unknown> {
  return { payload: payload.toString('base64'), ...signature };
}

function parseSignature(value: unknown, where: string): AttachedSignature {
  const record = requireObject(value, where);
  return {
    payload: Buffer.from(requireString(record.payload, where), 'base64'),
    signature: requireString(record.signature, where),
    annotations: requireStringMap(record.annotations ?? {}, where),
  };
}

function recordPath(directory: string, digest: Digest): string {
  return join(directory, `${digestHex(digest)}.json`);
}
