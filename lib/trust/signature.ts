/**
 * A sigstore signature as cosign attaches it to an image: a payload that names the image and what it is called, and a
 * signature over its bytes. https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md
 */
import { type KeyObject, sign as signBytes, verify as verifyBytes } from 'node:crypto';
import { CoracleError } from '../errors.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import { parseJson, requireObject, requireString } from '../oci/guards.js';

/** Nothing of it is trusted before `verifySignature`. */
export type AttachedSignature = {
  readonly payload: Buffer;
  /** Base64. */
  readonly signature: string;
  /** What else is written beside it, such as a certificate or a bundle of Rekor. */
  readonly annotations?: Readonly<Record<string, string>>;
};

/** What a payload says. */
export type SignedClaim = { readonly digest: Digest; readonly reference: string };

export const payloadType = 'application/vnd.dev.cosign.simplesigning.v1+json';
/** How the types of signatures begin that cosign 3 makes: they name a digest alone, and no image. */
export const bundleType = 'application/vnd.dev.sigstore.bundle';
export const signatureAnnotation = 'dev.cosignproject.cosign/signature';
const claimType = 'cosign container image signature';

/** The claim of a signature that one of the keys made; undefined where none did. @throws INVALID for a signed payload that says no claim */
export function verifySignature(
  { payload, signature }: AttachedSignature,
  keys: readonly KeyObject[],
): SignedClaim | undefined {
  const bytes = Buffer.from(signature, 'base64');
  const isMade = keys.some((key) => verifyBytes(algorithmOf(key), payload, key, bytes));
  return isMade ? parsePayload(payload) : undefined;
}

/** The signature of a claim. */
export function makeSignature(
  claim: SignedClaim,
  key: KeyObject,
  creator: string,
  seconds: number,
): AttachedSignature {
  const payload = Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': claim.reference },
        image: { 'docker-manifest-digest': claim.digest },
        type: claimType,
      },
      optional: { creator, timestamp: seconds },
    }),
  );
  return { payload, signature: signBytes(algorithmOf(key), payload, key).toString('base64') };
}

/** Keys of Edwards curves hash by themselves. */
function algorithmOf({ asymmetricKeyType }: KeyObject): 'sha256' | null {
  return asymmetricKeyType === 'ed25519' ? null : 'sha256';
}

/** The tag that signatures of a manifest hang at. */
export function signatureTag(digest: Digest): string {
  return `${digest.replace(':', '-')}.sig`;
}

function parsePayload(payload: Buffer): SignedClaim {
  const where = 'signature payload';
  const { critical: value } = requireObject(parseJson(payload.toString('utf8'), where), where);
  const critical = requireObject(value, `${where}: critical`);
  const type = requireString(critical.type, `${where}: critical.type`);
  if (type !== claimType) throw new CoracleError('INVALID', `parse ${where}: type ${JSON.stringify(type)}`);
  const { 'docker-reference': reference } = requireObject(critical.identity, `${where}: critical.identity`);
  const { 'docker-manifest-digest': digest } = requireObject(critical.image, `${where}: critical.image`);
  return {
    reference: requireString(reference, `${where}: docker-reference`),
    digest: parseDigest(requireString(digest, `${where}: docker-manifest-digest`), where),
  };
}
