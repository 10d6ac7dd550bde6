/** The gate that images pass before anything of them is used: what policy.json demands of a place. */
import { CoracleError } from '../errors.js';
import type { Digest } from '../oci/digest.js';
import { formatReference, type Reference } from '../oci/reference.js';
import type { RegistryClient } from '../registry/client.js';
import { usesAttachments } from '../trust/attachments.js';
import type { Requirement } from '../trust/policy.js';
import { readPolicy } from '../trust/policy-file.js';
import { requirementsFor, type TrustPlace } from '../trust/scope.js';
import { type AttachedSignature, bundleType } from '../trust/signature.js';
import type { RegistryAccess } from './registry-access.js';

/** Returns for an image that may be used, known by the digests of its manifest and its index. @throws FORBIDDEN */
export type ImageGate = (digests: readonly Digest[], beside?: Beside) => Promise<void>;

/** What is attached to a manifest. */
export type SignaturesOf = (digest: Digest) => Promise<readonly AttachedSignature[]>;

/** What is beside the images of a place. */
export type Beside = {
  readonly of: SignaturesOf;
  /** Whether a manifest has signatures of a kind that is not checked. */
  readonly hasBundle?: (digest: Digest) => Promise<boolean>;
};

/** Whose policy holds. */
export type TrustAccess = Pick<RegistryAccess, 'signaturePolicy' | 'env'>;

/** The gate of a place. @throws FORBIDDEN at once for what no image of the place can fulfil, INVALID for a broken policy */
export async function openGate(name: string, place: TrustPlace, access: TrustAccess): Promise<ImageGate> {
  const policy = readPolicy(access.env ?? process.env, access.signaturePolicy);
  if (policy === undefined) return open;
  const requirements = requirementsFor(policy, place);
  if (requirements.every(({ kind }) => kind === 'accept')) return open;
  const { requireAllowed } = await import('../trust/check.js');
  const none = async (): Promise<readonly AttachedSignature[]> => [];
  if (requirements.some(isHopeless))
    await requireAllowed(policy, { name, place, digests: [], signatures: none });
  return (digests, { of = none, hasBundle } = { of: none }) =>
    requireAllowed(policy, { name, place, digests, signatures: of, hasBundle });
}

async function open(): Promise<void> {}

function isHopeless({ kind }: Requirement): boolean {
  return kind === 'reject' || kind === 'unsupported';
}

/** @throws FORBIDDEN where registries.d says that no signatures hang beside images there */
export function requireAttachments(reference: Reference, { env = process.env }: TrustAccess): void {
  if (usesAttachments(env, reference) !== false) return;
  throw new CoracleError(
    'FORBIDDEN',
    `sign ${formatReference(reference)}: registries.d has use-sigstore-attachments: false for it`,
  );
}

/** As `openGate`, for an image at a registry. */
export function openRegistryGate(reference: Reference, access: TrustAccess): Promise<ImageGate> {
  return openGate(formatReference(reference), { transport: 'docker', reference }, access);
}

/** The signatures beside the images of a repository, each manifest's read once. */
export type RegistrySignatures = Beside & {
  /** What was read so far. */
  readonly seen: ReadonlyMap<Digest, readonly AttachedSignature[]>;
  /** Whether registries.d says that they are there: then none may be lost without a word. */
  readonly areDemanded: boolean;
};

/** Signatures of what a reference means, read from where the image is; none where registries.d says that there are none. */
export function signaturesAt(
  reference: Reference,
  { env = process.env }: TrustAccess,
  place: () => Promise<{ readonly client: RegistryClient; readonly repository: string }>,
): RegistrySignatures {
  const attached = usesAttachments(env, reference);
  const seen = new Map<Digest, readonly AttachedSignature[]>();
  const read = async (digest: Digest): Promise<readonly AttachedSignature[]> => {
    const known = seen.get(digest);
    if (known !== undefined || attached === false) return known ?? [];
    const { readSignatures } = await import('./signatures.js');
    const { client, repository } = await place();
    const signatures = await readSignatures(client, repository, digest);
    seen.set(digest, signatures);
    return signatures;
  };
  const hasBundle = async (digest: Digest): Promise<boolean> => {
    const { listReferrers } = await import('../registry/referrers.js');
    const { client, repository } = await place();
    const found = await listReferrers(client, repository, digest);
    return found.some(({ artifactType = '' }) => artifactType.startsWith(bundleType));
  };
  return { of: read, seen, hasBundle, areDemanded: attached === true };
}
