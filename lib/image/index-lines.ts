/** The form of index.json: what of a descriptor is whose, one entry on a line, and lines as parts of the file. */
import { CoracleError } from '../errors.js';
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

const newline = 0x0a;
const comma = 0x2c;
const separator = Buffer.from(',\n');
const head = Buffer.from(`{"schemaVersion":2,"mediaType":"${ociTypes.index}","manifests":[\n`);
const tail = Buffer.from('\n]}\n');

/** Bytes of the file from `start` to before `end`. */
export type Span = { readonly start: number; readonly end: number };
/** A line of one entry. */
export type IndexLine = Span & { readonly entry: IndexEntry };

/** Some lines of the file, which can be replaced without a look at the others. */
export class IndexPart {
  readonly #bytes: Buffer;
  readonly #lines: readonly IndexLine[];
  readonly entries: readonly IndexEntry[];

  constructor(bytes: Buffer, lines: readonly IndexLine[]) {
    this.#bytes = bytes;
    this.#lines = lines;
    this.entries = lines.map(({ entry }) => entry);
  }

  /** The file with these entries instead: those that are there already stay where they are, others come last. */
  replacedBy(entries: readonly IndexEntry[]): Buffer {
    const kept = new Set(entries);
    const cut = this.#lines.filter(({ entry }) => !kept.has(entry));
    const edges = [
      { start: 0, end: head.length },
      ...cut,
      { start: this.#bytes.length - tail.length, end: 0 },
    ];
    const between = edges.slice(1).map(({ start }, index) => this.#trimmed(edges[index]?.end ?? 0, start));
    const added = entries.filter((entry) => !this.entries.includes(entry)).map(serializeEntry);
    const lines = [...between, ...added.map((line) => Buffer.from(line))].filter(({ length }) => length > 0);
    const parts = lines.flatMap((line, index) => (index === 0 ? [line] : [separator, line]));
    return Buffer.concat([head, ...parts, tail]);
  }

  /** Without the commas and line ends around it. */
  #trimmed(start: number, end: number): Buffer {
    const isBorder = (at: number): boolean => this.#bytes[at] === newline || this.#bytes[at] === comma;
    let [from, to] = [start, end];
    while (from < to && isBorder(from)) from++;
    while (to > from && isBorder(to - 1)) to--;
    return this.#bytes.subarray(from, to);
  }
}

/** The lines with a text in them. */
export function linesWith(bytes: Buffer, text: string): readonly string[] {
  return spansWith(bytes, text).map(({ start, end }) => bytes.toString('utf8', start, end));
}

/** Where the lines with a text in them are. */
export function spansWith(bytes: Buffer, text: string): readonly Span[] {
  const spans: Span[] = [];
  for (let at = bytes.indexOf(text); at >= 0; ) {
    const start = bytes.lastIndexOf(newline, at) + 1;
    const next = bytes.indexOf(newline, at);
    const end = next < 0 ? bytes.length : next;
    spans.push({ start, end });
    at = bytes.indexOf(text, end);
  }
  return spans;
}

/** Whether a file begins and ends as we write it. */
export function isOurs(bytes: Buffer): boolean {
  return bytes.subarray(0, head.length).equals(head) && bytes.subarray(-tail.length).equals(tail);
}

/** The entry in a line of ours; undefined for a line of another's file, which is then parsed whole. */
export function parseLine(line: string, where: string): IndexEntry | undefined {
  if (!line.startsWith('{"mediaType":')) return undefined;
  const text = line.endsWith(',') ? line.slice(0, -1) : line;
  return toEntry(parseDescriptor(parseJson(text, where), where));
}

/** All entries of a file. @throws INVALID */
export function parseIndex(bytes: Buffer, where: string): readonly IndexEntry[] {
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

/** A file with these entries. */
export function serializeIndex(entries: readonly IndexEntry[]): string {
  return `${head}${entries.map(serializeEntry).join(',\n')}${tail}`;
}

function serializeEntry(entry: IndexEntry): string {
  return JSON.stringify(orderDescriptor(fromEntry(entry)));
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
