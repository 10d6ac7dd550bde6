/** Names as people type them: one without a registry is looked up, and given, below `localhost/` first, as Podman does. */
import { isDigest } from '../oci/digest.js';
import { canonicalRegistry, formatReference, parseReference } from '../oci/reference.js';

const dockerHub = 'docker.io';
const local = 'localhost';

/** The full reference that a name given to `build`, `tag` or `import` stands for. @throws INVALID */
export function nameToGive(text: string): string {
  return formatReference(parseReference(isShortName(text) ? `${local}/${text}` : text));
}

/** What to look for in the store, best first: `localhost/NAME` before `docker.io/library/NAME`. */
export function namesToFind(text: string): readonly string[] {
  return isReference(text) && isShortName(text) ? [`${local}/${text}`, text] : [text];
}

/** Whether a registry could know the name: no bare id or digest, and none of our own below `localhost/`. */
export function isPullable(text: string): boolean {
  return isReference(text) && parseReference(text).registry !== local;
}

/** A name whose first part is no registry. */
export function isShortName(text: string): boolean {
  if (parseReference(text).registry !== dockerHub) return false;
  const slash = text.indexOf('/');
  return slash < 0 || canonicalRegistry(text.slice(0, slash)) !== dockerHub;
}

/** Whether a text can be a reference: it is no id and no digest. */
export function isReference(text: string): boolean {
  return !isDigest(text) && !/^[0-9a-f]{64}$/.test(text) && text !== '';
}
