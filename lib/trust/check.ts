/** Whether a policy allows an image. */
import { CoracleError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import type { Reference } from '../oci/reference.js';
import { identityFits } from './identity.js';
import { readPublicKey } from './keys.js';
import type { Policy, Requirement } from './policy.js';
import { requirementsFor, type TrustPlace } from './scope.js';
import { type AttachedSignature, verifySignature } from './signature.js';

/** An image that is about to be used. */
export type TrustSubject = {
  /** For messages. */
  readonly name: string;
  readonly place: TrustPlace;
  /** Its manifest's digest, and that of the index which names it: a signature of either counts. */
  readonly digests: readonly Digest[];
  /** What is attached to a manifest; asked only where the policy wants signatures. */
  readonly signatures: (digest: Digest) => Promise<readonly AttachedSignature[]>;
  /** Whether there are signatures of a kind that is not checked; asked only where there are no others. */
  readonly hasBundle?: ((digest: Digest) => Promise<boolean>) | undefined;
};

const none = 'the policy demands a signature, and it has none';

/** Returns for what fulfils every requirement. @throws FORBIDDEN saying which requirement is not fulfilled and why */
export async function requireAllowed(policy: Policy, subject: TrustSubject): Promise<void> {
  for (const requirement of requirementsFor(policy, subject.place)) {
    const objection = await objectionTo(requirement, subject);
    if (objection === undefined) continue;
    throw new CoracleError('FORBIDDEN', `use ${subject.name}: ${objection} (${policy.path})`, {
      hint: `coracle image trust show tells what ${policy.path} demands`,
    });
  }
}

async function objectionTo(requirement: Requirement, subject: TrustSubject): Promise<string | undefined> {
  switch (requirement.kind) {
    case 'accept':
      return undefined;
    case 'reject':
      return 'the policy rejects it';
    case 'unsupported':
      return `the policy demands ${requirement.what}, which this version cannot check`;
    case 'sigstore':
      return unsigned(requirement, subject);
  }
}

/** Undefined as soon as one signature fits; else the reason that says most. */
async function unsigned(
  { keys, identity }: Extract<Requirement, { kind: 'sigstore' }>,
  subject: TrustSubject,
): Promise<string | undefined> {
  const publicKeys = keys.map(readPublicKey);
  const { place } = subject;
  const reference: Reference | undefined = place.transport === 'docker' ? place.reference : undefined;
  let reason = none;
  for (const digest of subject.digests) {
    for (const attached of await subject.signatures(digest)) {
      const claim = verifySignature(attached, publicKeys);
      if (claim === undefined) reason = 'it is signed, but not with a key of the policy';
      else if (claim.digest !== digest) reason = `its signature is for another manifest, ${claim.digest}`;
      else if (identityFits(identity, reference, claim.reference)) return undefined;
      else
        reason = `it is signed as ${JSON.stringify(claim.reference)}, which the policy's ${identity.kind} does not allow`;
    }
  }
  return reason === none ? ((await bundleObjection(subject)) ?? none) : reason;
}

/** What is signed as cosign 3 does it by default says not what the image is called, which every policy asks for. */
async function bundleObjection({ digests, hasBundle }: TrustSubject): Promise<string | undefined> {
  for (const digest of digests) {
    if ((await hasBundle?.(digest)) !== true) continue;
    return 'the policy demands a signature that names the image, and it has a sigstore bundle alone (cosign sign --new-bundle-format=false makes the other kind)';
  }
  return undefined;
}
