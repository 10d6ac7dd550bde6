/**
 * Content digests. A `Digest` has been checked, so its parts are safe in a path.
 * https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
 */
import { invalid } from './guards.js';

/** `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits. */
export type Digest = string & { readonly brand: 'Digest' };

/** The registered algorithms this implementation verifies. */
export type DigestAlgorithm = 'sha256' | 'sha512';

const pattern = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Whether the value is a well-formed digest. */
export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && value.length <= 135 && pattern.test(value);
}

/** The digest, or INVALID naming `where` and the value. */
export function parseDigest(value: unknown, where: string): Digest {
  if (isDigest(value)) return value;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 160)) : typeof value;
  throw invalid(where, `${shown} is no digest (sha256: and 64 hexadecimal digits, or sha512: and 128)`);
}

/** The digest of given algorithm and hexadecimal digits, checked. */
export function makeDigest(algorithm: DigestAlgorithm, hex: string): Digest {
  return parseDigest(`${algorithm}:${hex}`, 'digest');
}

/** The hexadecimal part. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The algorithm, under the name node:crypto knows too. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}
