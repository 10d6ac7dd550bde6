/**
 * The store's `index.json`: an OCI image index whose entries carry the full reference they are tagged with.
 * We write one entry per line, so that a start finds its image by searching bytes instead of parsing a
 * thousand entries; a file another tool wrote in one line is read all the same, only slower.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md#indexjson-file
 */
import { join } from 'node:path';
import { readBytes, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { withReserve } from '../host/reserve.js';
import type { Locks } from '../host/staging.js';
import type { Digest } from '../oci/digest.js';
import { annotationNames } from '../oci/layout.js';
import {
  type IndexEntry,
  type IndexLine,
  IndexPart,
  imageIdAnnotation,
  isOurs,
  linesWith,
  parseIndex,
  parseLine,
  serializeIndex,
  spansWith,
} from './index-lines.js';

export { builtAnnotation, type IndexEntry, imageIdAnnotation } from './index-lines.js';

/** What to look for: an exact reference, an exact digest of the entry, or the beginning of a config's hex digits. */
export type IndexQuery =
  | { readonly kind: 'reference'; readonly text: string }
  | { readonly kind: 'digest'; readonly digest: Digest }
  | { readonly kind: 'id'; readonly prefix: string };

/** Bytes of the file, far beyond use: the limit bounds what a hostile one can cost. */
export const indexLimit = 64 * 1024 * 1024;

/** One reading of the file. */
export class IndexView {
  readonly #bytes: Buffer;
  readonly #where: string;

  constructor(bytes: Buffer, where: string) {
    this.#bytes = bytes;
    this.#where = where;
  }

  /** All entries, in the order of the file. @throws INVALID for a damaged file. */
  entries(): readonly IndexEntry[] {
    return parseIndex(this.#bytes, this.#where);
  }

  /** The entries that match, without parsing the others. */
  select(query: IndexQuery): readonly IndexEntry[] {
    const found = linesWith(this.#bytes, needle(query))
      .map((line) => parseLine(line, this.#where))
      .filter((entry) => entry !== undefined)
      .filter((entry) => matches(entry, query));
    return found.length > 0 ? found : this.entries().filter((entry) => matches(entry, query));
  }

  /**
   * The lines whose entries have one of the references, or the digest of one of those or of `digests`, in the order of the
   * file. Undefined for a file that is not in our form.
   */
  around({ references = [], digests = [] }: Around): IndexPart | undefined {
    const bytes = this.#bytes;
    if (!isOurs(bytes)) return undefined;
    const found = new Map<number, IndexLine>();
    const take = (query: IndexQuery): boolean =>
      spansWith(bytes, needle(query)).every((span) => {
        const entry = parseLine(bytes.toString('utf8', span.start, span.end), this.#where);
        if (entry !== undefined && matches(entry, query)) found.set(span.start, { ...span, entry });
        return entry !== undefined;
      });
    if (!references.every((text) => take({ kind: 'reference', text }))) return undefined;
    const wanted = new Set([...digests, ...[...found.values()].map(({ entry }) => entry.descriptor.digest)]);
    if (![...wanted].every((digest) => take({ kind: 'digest', digest }))) return undefined;
    return new IndexPart(
      bytes,
      [...found.values()].sort((one, other) => one.start - other.start),
    );
  }
}

/** Which entries a change is about. */
export type Around = { readonly references?: readonly string[]; readonly digests?: readonly Digest[] };

/** The file itself. */
export class IndexFile {
  readonly #paths: StorePaths;
  readonly #locks: Locks;

  constructor(paths: StorePaths, locks: Locks) {
    this.#paths = paths;
    this.#locks = locks;
  }

  /** Reads the file as it is now; a store without one is empty. */
  read(): IndexView {
    const bytes =
      readBytes(this.#paths.index, indexLimit) ?? Buffer.from('{"schemaVersion":2,"manifests":[]}');
    return new IndexView(bytes, this.#paths.index);
  }

  /**
   * Replaces the entries by what `edit` makes of them, alone among all processes.
   * @returns what `edit` returns besides.
   */
  change<T>(
    edit: (entries: readonly IndexEntry[]) => { readonly entries: readonly IndexEntry[]; readonly result: T },
  ): T {
    return this.#locks.withLock(join(this.#paths.locks, 'index'), () => {
      const before = this.read().entries();
      const { entries, result } = edit(before);
      if (entries !== before) this.#write(entries, before.length);
      return result;
    });
  }

  /** As `change`, but `edit` sees no more than the entries around something, and the others are not even read. */
  changeAround<T>(
    around: Around,
    edit: (entries: readonly IndexEntry[]) => { readonly entries: readonly IndexEntry[]; readonly result: T },
  ): T {
    return this.#locks.withLock(join(this.#paths.locks, 'index'), () => {
      const view = this.read();
      const part = view.around(around);
      const before = part?.entries ?? view.entries();
      const { entries, result } = edit(before);
      const write = (): void => this.#replace(part?.replacedBy(entries) ?? serializeIndex(entries));
      if (entries.length < before.length) withReserve(this.#paths, write);
      else if (entries !== before) write();
      return result;
    });
  }

  /** Whether there is an entry of this digest once the changes under way are done. */
  holds(digest: Digest): boolean {
    return this.#locks.withLock(
      join(this.#paths.locks, 'index'),
      () => this.read().select({ kind: 'digest', digest }).length > 0,
    );
  }

  /** A removal is possible on a full disk too. */
  #write(entries: readonly IndexEntry[], before: number): void {
    const write = (): void => this.#replace(serializeIndex(entries));
    if (entries.length < before) withReserve(this.#paths, write);
    else write();
  }

  #replace(content: string | Buffer): void {
    writeFileAtomic(this.#paths.index, content, { durable: true, mode: 0o644 });
  }
}

function needle(query: IndexQuery): string {
  switch (query.kind) {
    case 'reference':
      return `"${annotationNames.refName}":${JSON.stringify(query.text)}`;
    case 'digest':
      return `"digest":"${query.digest}"`;
    case 'id':
      // The whole key begins on every line alike: many digits alone are found faster.
      return query.prefix.length < 12 ? `"${imageIdAnnotation}":"sha256:${query.prefix}` : query.prefix;
  }
}

/** Whether the entry is what the query looks for. */
export function matches(entry: IndexEntry, query: IndexQuery): boolean {
  switch (query.kind) {
    case 'reference':
      return entry.reference === query.text;
    case 'digest':
      return entry.descriptor.digest === query.digest;
    case 'id':
      return entry.config?.startsWith(`sha256:${query.prefix}`) ?? false;
  }
}
