/**
 * The store's `index.json`: an OCI image index whose entries carry the full reference they are tagged with.
 * We write one entry per line, so that a start finds its image by searching bytes instead of parsing a
 * thousand entries; a file another tool wrote in one line is read all the same, only slower.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md#indexjson-file
 */
import { join } from 'node:path';
import { CoracleError } from '../errors.js';
import { readBytes, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { withReserve } from '../host/reserve.js';
import type { Locks } from '../host/staging.js';
import { type Descriptor, orderDescriptor, parseDescriptor } from '../oci/descriptor.js';
import { type Digest, isDigest } from '../oci/digest.js';
import { parseJson, requireArray, requireObject } from '../oci/guards.js';
import { annotationNames } from '../oci/layout.js';
import { ociTypes } from '../oci/media-types.js';

/** Annotation of an entry: the digest of the config, which is the image's id, of the platform chosen when it was tagged. */
export const imageIdAnnotation = 'dev.coracle.image.id';

/** Annotation of an entry: when an image that says nothing of the clock was built here. */
export const builtAnnotation = 'dev.coracle.image.built';

/** One line of index.json. */
export type IndexEntry = {
  /** As tagged: a manifest or an index, without the annotations below. */
  readonly descriptor: Descriptor;
  /** The full reference; an entry without one is an untagged image. */
  readonly reference?: string;
  readonly config?: Digest;
  /** RFC 3339; of images built here. */
  readonly built?: string;
  /** It is that of another store, which is only read. */
  readonly readonly?: true;
};

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
}

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

  /** Whether there is an entry of this digest once the changes under way are done. */
  holds(digest: Digest): boolean {
    return this.#locks.withLock(
      join(this.#paths.locks, 'index'),
      () => this.read().select({ kind: 'digest', digest }).length > 0,
    );
  }

  /** A removal is possible on a full disk too. */
  #write(entries: readonly IndexEntry[], before: number): void {
    const write = (): void => {
      writeFileAtomic(this.#paths.index, serializeIndex(entries), { durable: true, mode: 0o644 });
    };
    if (entries.length < before) withReserve(this.#paths, write);
    else write();
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

const newline = 0x0a;

function linesWith(bytes: Buffer, text: string): readonly string[] {
  const lines: string[] = [];
  for (let at = bytes.indexOf(text); at >= 0; ) {
    const start = bytes.lastIndexOf(newline, at) + 1;
    const next = bytes.indexOf(newline, at);
    const end = next < 0 ? bytes.length : next;
    lines.push(bytes.toString('utf8', start, end));
    at = bytes.indexOf(text, end);
  }
  return lines;
}

/** The entry in a line of ours; undefined for a line of another's file, which is then parsed whole. */
function parseLine(line: string, where: string): IndexEntry | undefined {
  if (!line.startsWith('{"mediaType":')) return undefined;
  const text = line.endsWith(',') ? line.slice(0, -1) : line;
  return toEntry(parseDescriptor(parseJson(text, where), where));
}

function parseIndex(bytes: Buffer, where: string): readonly IndexEntry[] {
  const record = requireObject(parseJson(bytes.toString(), where), where);
  if (record.schemaVersion !== 2) {
    throw new CoracleError(
      'INVALID',
      `parse ${where}: schemaVersion ${JSON.stringify(record.schemaVersion)}, expected 2`,
    );
  }
  return requireArray(record.manifests, `${where}: manifests`).map((entry, index) =>
    toEntry(parseDescriptor(entry, `${where}: manifests[${index}]`)),
  );
}

function toEntry(descriptor: Descriptor): IndexEntry {
  const { annotations = {}, ...bare } = descriptor;
  const {
    [annotationNames.refName]: reference,
    [imageIdAnnotation]: config,
    [builtAnnotation]: built,
    ...rest
  } = annotations;
  return {
    descriptor: { ...bare, ...(Object.keys(rest).length === 0 ? {} : { annotations: rest }) },
    ...(reference === undefined ? {} : { reference }),
    ...(isDigest(config) ? { config } : {}),
    ...(built === undefined ? {} : { built }),
  };
}

function serializeIndex(entries: readonly IndexEntry[]): string {
  const lines = entries.map((entry) => JSON.stringify(orderDescriptor(fromEntry(entry))));
  return `{"schemaVersion":2,"mediaType":"${ociTypes.index}","manifests":[\n${lines.join(',\n')}\n]}\n`;
}

function fromEntry({ descriptor, reference, config, built }: IndexEntry): Descriptor {
  const annotations = {
    ...descriptor.annotations,
    ...(reference === undefined ? {} : { [annotationNames.refName]: reference }),
    ...(config === undefined ? {} : { [imageIdAnnotation]: config }),
    ...(built === undefined ? {} : { [builtAnnotation]: built }),
  };
  return { ...descriptor, ...(Object.keys(annotations).length === 0 ? {} : { annotations }) };
}
