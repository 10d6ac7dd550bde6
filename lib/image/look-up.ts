/** Which entry of index.json a text means. */
import { CoracleError } from '../errors.js';
import { type Digest, digestHex, isDigest } from '../oci/digest.js';
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  repositoryName,
} from '../oci/reference.js';
import type { IndexEntry, IndexQuery } from './index-file.js';

/** The part of the index file a look-up needs. */
export type IndexSearch = {
  entries(): readonly IndexEntry[];
  select(query: IndexQuery): readonly IndexEntry[];
};

/** Finds the config of an entry that does not say it. */
export type ConfigOf = (entry: IndexEntry) => Digest | undefined;

/**
 * The entry that a reference, digest or beginning of an id means; undefined when there is none. A name that
 * another tool gave an entry, such as a tag alone, is found as it stands.
 * @throws USAGE when a beginning fits several images.
 */
export function lookUp(text: string, index: IndexSearch, configOf: ConfigOf): IndexEntry | undefined {
  return byName(text, index) ?? byDigest(text, index, configOf) ?? byPrefix(text, index, configOf);
}

function byName(text: string, index: IndexSearch): IndexEntry | undefined {
  const reference = referenceOf(text);
  if (reference === undefined) return undefined;
  const [exact] = index.select({ kind: 'reference', text: formatReference(reference) });
  if (exact !== undefined) return exact;
  if (reference.digest !== undefined) return byNameAndDigest(reference, reference.digest, index);
  return index.select({ kind: 'reference', text })[0];
}

/** With a digest the tag is a comment; the repository must agree. */
function byNameAndDigest(reference: Reference, digest: Digest, index: IndexSearch): IndexEntry | undefined {
  const name = repositoryName(reference);
  return index.select({ kind: 'digest', digest }).find((entry) => repositoryOf(entry) === name);
}

function repositoryOf({ reference }: IndexEntry): string | undefined {
  const parsed = reference === undefined ? undefined : referenceOf(reference);
  return parsed === undefined ? undefined : repositoryName(parsed);
}

/** The form people type. Names that other tools wrote need not be references: they are kept as they are. */
export function shortName(reference: string): string {
  const parsed = referenceOf(reference);
  return parsed === undefined || formatReference(parsed) !== reference
    ? reference
    : familiarReference(parsed);
}

/** The text as a reference, undefined when it cannot be one. */
export function referenceOf(text: string): Reference | undefined {
  if (isDigest(text)) return undefined;
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
    throw error;
  }
}

function byDigest(text: string, index: IndexSearch, configOf: ConfigOf): IndexEntry | undefined {
  if (!isDigest(text)) return undefined;
  const [tagged] = index.select({ kind: 'digest', digest: text });
  return tagged ?? byPrefix(text, index, configOf);
}

const prefixPattern = /^(?:sha256:)?([0-9a-f]{2,64})$/;

function byPrefix(text: string, index: IndexSearch, configOf: ConfigOf): IndexEntry | undefined {
  const prefix = prefixPattern.exec(text)?.[1];
  if (prefix === undefined) return undefined;
  const known = index.select({ kind: 'id', prefix });
  const found = known.length > 0 ? known : withoutConfig(index, configOf, prefix);
  const ids = [...new Set(found.map(({ config }) => config))].filter((config) => config !== undefined);
  if (ids.length <= 1) return found[0];
  const shown = ids.slice(0, 5).map((id) => digestHex(id).slice(0, 12));
  throw new CoracleError(
    'USAGE',
    `open image ${text}: ${ids.length} image ids begin so: ${shown.join(', ')}`,
    {
      hint: 'give more digits',
    },
  );
}

/** Entries another tool wrote do not name their config: it is read from their manifests. */
function withoutConfig(index: IndexSearch, configOf: ConfigOf, prefix: string): readonly IndexEntry[] {
  return index
    .entries()
    .filter((entry) => entry.config === undefined)
    .map((entry) => withConfig(entry, configOf(entry)))
    .filter((entry) => entry.config?.startsWith(`sha256:${prefix}`));
}

function withConfig(entry: IndexEntry, config: Digest | undefined): IndexEntry {
  return config === undefined ? entry : { ...entry, config };
}
