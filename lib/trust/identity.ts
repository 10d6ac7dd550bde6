/** Which names in a signature are right for an image: `signedIdentity` of policy.json. */
import { CoracleError } from '../errors.js';
import { invalid, requireObject, requireString } from '../oci/guards.js';
import { formatReference, parseReference, type Reference, repositoryName } from '../oci/reference.js';

export type SignedIdentity =
  | { readonly kind: 'matchExact' | 'matchRepoDigestOrExact' | 'matchRepository' }
  | { readonly kind: 'exactReference' | 'exactRepository'; readonly reference: string }
  | { readonly kind: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string };

/** Reads it; none means `matchRepoDigestOrExact`. @throws INVALID */
export function parseIdentity(value: unknown, where: string): SignedIdentity {
  if (value === undefined) return { kind: 'matchRepoDigestOrExact' };
  const record = requireObject(value, where);
  const text = (name: string): string => requireString(record[name], `${where}.${name}`);
  const only = (...names: readonly string[]): void => {
    const other = Object.keys(record).find((name) => name !== 'type' && !names.includes(name));
    if (other !== undefined) throw invalid(where, `unknown field ${JSON.stringify(other)}`);
  };
  const kind = text('type');
  switch (kind) {
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
      only();
      return { kind };
    case 'exactReference':
      only('dockerReference');
      return { kind, reference: requireName(text('dockerReference'), where) };
    case 'exactRepository':
      only('dockerRepository');
      return { kind, reference: requireName(text('dockerRepository'), where) };
    case 'remapIdentity':
      only('prefix', 'signedPrefix');
      return { kind, prefix: text('prefix'), signedPrefix: text('signedPrefix') };
    default:
      throw invalid(where, `unknown type ${JSON.stringify(kind)}`);
  }
}

function requireName(text: string, where: string): string {
  if (nameOf(text) !== undefined) return text;
  throw invalid(where, `${JSON.stringify(text)} is no reference`);
}

/** Whether a signature for `signed` counts for an image; `image` is missing where its place has no registry's names. */
export function identityFits(
  identity: SignedIdentity,
  image: Reference | undefined,
  signed: string,
): boolean {
  const name = nameOf(signed);
  if (name === undefined) return false;
  switch (identity.kind) {
    case 'matchExact':
      return image !== undefined && sameExactly(image, name);
    case 'matchRepoDigestOrExact':
      return image !== undefined && sameRepoDigestOrExactly(image, name);
    case 'matchRepository':
      return image !== undefined && repositoryName(image) === name.repository;
    case 'exactReference': {
      const wanted = nameOf(identity.reference);
      return wanted?.full !== undefined && wanted.full === name.full;
    }
    case 'exactRepository':
      return nameOf(identity.reference)?.repository === name.repository;
    case 'remapIdentity': {
      const remapped = image === undefined ? undefined : remap(image, identity);
      return remapped !== undefined && sameRepoDigestOrExactly(remapped, name);
    }
  }
}

/** A name as it was signed: without a tag or digest it stands for a repository alone. */
type SignedName = { readonly repository: string; readonly full: string | undefined };

/** Reads a signed name; undefined for what is no reference. */
export function nameOf(text: string): SignedName | undefined {
  const reference = referenceOf(text);
  if (reference === undefined) return undefined;
  const bare = !text.includes('@') && text.lastIndexOf(':') <= text.lastIndexOf('/');
  return { repository: repositoryName(reference), full: bare ? undefined : formatReference(reference) };
}

function referenceOf(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
    throw error;
  }
}

function sameExactly(image: Reference, { full }: SignedName): boolean {
  return full !== undefined && formatReference(image) === full;
}

/** A digest says by itself which image is meant, whatever tag was signed. */
function sameRepoDigestOrExactly(image: Reference, name: SignedName): boolean {
  if (image.digest !== undefined) return repositoryName(image) === name.repository;
  return sameExactly(image, name);
}

function remap(
  image: Reference,
  { prefix, signedPrefix }: Extract<SignedIdentity, { kind: 'remapIdentity' }>,
): Reference | undefined {
  const text = formatReference(image);
  if (!text.startsWith(prefix)) return image;
  const rest = text.slice(prefix.length);
  // A bare host must be followed by its path; a repository by its end, or a part below.
  return rest === '' || /^[/:@]/.test(rest) ? referenceOf(`${signedPrefix}${rest}`) : image;
}
