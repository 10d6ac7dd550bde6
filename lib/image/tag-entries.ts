/** Changes of the entries of index.json that concern names. Pure. */
import type { IndexEntry } from './index-file.js';

/** The entries with `entry` added; its reference moves to it. Whoever loses the last reference stays untagged. */
export function tagEntry(entries: readonly IndexEntry[], entry: IndexEntry): readonly IndexEntry[] {
  const others = entry.reference === undefined ? entries : dropReference(entries, entry.reference);
  return [...others.filter((other) => other.reference !== undefined || !isSame(other, entry)), entry];
}

/** The entries with an untagged image added, unless it is there under any name. */
export function addEntry(entries: readonly IndexEntry[], entry: IndexEntry): readonly IndexEntry[] {
  return entries.some((other) => isSame(other, entry)) ? entries : [...entries, entry];
}

/** The entries with an image that was built now, under its name if it has one; all its names tell the new time. */
export function rebuildEntry(entries: readonly IndexEntry[], entry: IndexEntry): readonly IndexEntry[] {
  const { built } = entry;
  const dated = entries.map((other) =>
    isSame(other, entry) && built !== undefined ? { ...other, built } : other,
  );
  return entry.reference === undefined ? addEntry(dated, entry) : tagEntry(dated, entry);
}

/** When the image was built here, if it was. */
export function builtOf(
  entries: readonly IndexEntry[],
  { digest }: IndexEntry['descriptor'],
): string | undefined {
  return entries.find(({ descriptor }) => descriptor.digest === digest)?.built;
}

/** The entries without a reference; the same array when no entry has it. */
export function dropReference(entries: readonly IndexEntry[], reference: string): readonly IndexEntry[] {
  const owner = entries.find((entry) => entry.reference === reference);
  if (owner === undefined) return entries;
  const rest = entries.filter((entry) => entry.reference !== reference);
  const { reference: _dropped, ...untagged } = owner;
  return rest.some((other) => isSame(other, owner)) ? rest : [...rest, untagged];
}

function isSame(one: IndexEntry, other: IndexEntry): boolean {
  return one.descriptor.digest === other.descriptor.digest;
}
