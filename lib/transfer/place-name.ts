/**
 * Names of places that images are copied between, as skopeo writes them. Pure.
 * https://github.com/containers/image/blob/main/docs/containers-transports.5.md
 */
import { CoracleError } from '../errors.js';
import { type Digest, isDigest } from '../oci/digest.js';
import { parseReference, type Reference } from '../oci/reference.js';

/** Which image of a layout or archive: by name, by digest, by its number, or the only one. */
export type Selection = {
  readonly name?: string;
  readonly digest?: Digest;
  readonly index?: number;
};

export type PlaceName =
  | { readonly kind: 'docker'; readonly reference: Reference }
  | {
      readonly kind: 'oci' | 'oci-archive' | 'docker-archive';
      readonly path: string;
      readonly select: Selection;
    }
  | { readonly kind: 'dir'; readonly path: string }
  /** An image of this store by the name a person typed. */
  | { readonly kind: 'store'; readonly name: string };

const kinds = 'docker://, oci:, oci-archive:, docker-archive:, dir: or store:';

/** @throws USAGE for what names no place, INVALID for a reference that cannot be. */
export function parsePlace(text: string): PlaceName {
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  switch (colon < 0 ? '' : text.slice(0, colon)) {
    case 'docker':
      if (!rest.startsWith('//') || rest.length === 2) throw unusable(text, 'write docker://REGISTRY/NAME');
      return { kind: 'docker', reference: parseReference(rest.slice(2)) };
    case 'dir':
      return { kind: 'dir', path: pathIn(text, rest) };
    case 'oci':
    case 'oci-archive':
    case 'docker-archive': {
      const kind = text.slice(0, colon) as 'oci' | 'oci-archive' | 'docker-archive';
      const { path, select } = splitSelection(text, rest);
      return { kind, path: pathIn(text, path), select };
    }
    case 'store':
    case 'containers-storage':
      if (rest === '') throw unusable(text, 'no image is named');
      return { kind: 'store', name: rest };
    default:
      throw unusable(
        text,
        `it begins with none of ${kinds}`,
        `store:${text} is the image ${text} of this store`,
      );
  }
}

/** `PATH`, `PATH:NAME`, `PATH:@N`, `PATH@DIGEST`. A path cannot have a colon, as with skopeo. */
function splitSelection(text: string, rest: string): { readonly path: string; readonly select: Selection } {
  const digest = /^(.*?):?@(sha(?:256|512):[0-9a-f]+)$/.exec(rest);
  if (digest?.[2] !== undefined) {
    if (!isDigest(digest[2])) throw unusable(text, `${digest[2]} is no digest`);
    return { path: digest[1] ?? '', select: { digest: digest[2] } };
  }
  const colon = rest.indexOf(':');
  if (colon < 0) return { path: rest, select: {} };
  const name = rest.slice(colon + 1);
  if (name === '') throw unusable(text, 'nothing is named behind the path');
  const number = /^@(\d{1,9})$/.exec(name)?.[1];
  if (number !== undefined) return { path: rest.slice(0, colon), select: { index: Number(number) } };
  return { path: rest.slice(0, colon), select: { name } };
}

function pathIn(text: string, path: string): string {
  if (path === '' || path.includes('\0')) throw unusable(text, 'it has no path');
  return path;
}

function unusable(text: string, reason: string, hint?: string): CoracleError {
  return new CoracleError('USAGE', `parse place ${JSON.stringify(text.slice(0, 300))}: ${reason}`, {
    ...(hint === undefined ? {} : { hint }),
  });
}
