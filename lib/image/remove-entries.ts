/** What `rmi` does to index.json: a decision over its entries. */
import { CoracleError } from '../errors.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { formatReference } from '../oci/reference.js';
import { type IndexEntry, matches } from './index-file.js';
import { lookUp, referenceOf, shortName } from './look-up.js';

/** Full references taken away, and ids of images that are gone with them. */
export type RemovedImage = { readonly untagged: readonly string[]; readonly deleted: readonly string[] };

export type RemovalContext = {
  readonly force: boolean;
  configOf(entry: IndexEntry): Digest | undefined;
  /** Containers that use the image of a config. */
  users(config: Digest): readonly string[];
};

/**
 * The entries after the removal of what `text` names: one name of several goes alone; the last name, or an id,
 * takes the image with it.
 * @throws NOT_FOUND; IN_USE; CONFLICT for an id with several names
 */
export function removeEntries(
  text: string,
  entries: readonly IndexEntry[],
  context: RemovalContext,
): { readonly entries: readonly IndexEntry[]; readonly result: RemovedImage } {
  const index = {
    entries: () => entries,
    select: (query: Parameters<typeof matches>[1]) => entries.filter((entry) => matches(entry, query)),
  };
  const entry = lookUp(text, index, context.configOf);
  if (entry === undefined) {
    throw new CoracleError('NOT_FOUND', `remove image ${text}: not in the store`, {
      hint: 'coracle images lists what is there',
    });
  }
  const same = entriesOfImage(entry, entries, context);
  const references = same.map(({ reference }) => reference).filter((reference) => reference !== undefined);
  const named = isNamedBy(text, entry);
  if (named && references.length > 1) {
    return without(
      entries,
      same.filter(({ reference }) => reference === entry.reference),
      [],
    );
  }
  if (!context.force) checkUnused(text, { entry, references, named }, context);
  const config = context.configOf(entry);
  return without(entries, same, [digestHex(config ?? entry.descriptor.digest)]);
}

function entriesOfImage(
  entry: IndexEntry,
  entries: readonly IndexEntry[],
  context: RemovalContext,
): readonly IndexEntry[] {
  const config = context.configOf(entry);
  if (config === undefined)
    return entries.filter(({ descriptor }) => descriptor.digest === entry.descriptor.digest);
  return entries.filter((other) => context.configOf(other) === config);
}

function isNamedBy(text: string, entry: IndexEntry): boolean {
  const reference = referenceOf(text);
  if (reference === undefined || entry.reference === undefined) return false;
  return entry.reference === formatReference(reference) || entry.reference === text;
}

function checkUnused(
  text: string,
  image: { readonly entry: IndexEntry; readonly references: readonly string[]; readonly named: boolean },
  context: RemovalContext,
): void {
  const names = image.references.map(shortName);
  if (!image.named && names.length > 1) {
    throw new CoracleError(
      'CONFLICT',
      `remove image ${text}: it has ${names.length} names: ${names.join(', ')}`,
      {
        hint: 'remove the names, or all at once with --force',
      },
    );
  }
  const config = context.configOf(image.entry);
  const users = config === undefined ? [] : context.users(config);
  if (users.length === 0) return;
  const shown = users.map((id) => id.slice(0, 12)).join(', ');
  throw new CoracleError('IN_USE', `remove image ${text}: used by container ${shown}`, {
    hint: 'remove the container first (coracle rm), or take the names away with --force',
  });
}

function without(
  entries: readonly IndexEntry[],
  removed: readonly IndexEntry[],
  deleted: readonly string[],
): { readonly entries: readonly IndexEntry[]; readonly result: RemovedImage } {
  const gone = new Set(removed);
  const untagged = removed.map(({ reference }) => reference).filter((reference) => reference !== undefined);
  return { entries: entries.filter((entry) => !gone.has(entry)), result: { untagged, deleted } };
}
