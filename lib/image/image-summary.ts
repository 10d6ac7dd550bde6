/** What `images` shows: one line per image id. */
import type { ContentStore } from '../content/content-store.js';
import { CoracleError } from '../errors.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { isIndex } from '../oci/media-types.js';
import type { SnapshotId } from '../snapshot/record.js';
import type { SnapshotStore } from '../snapshot/snapshot-store.js';
import { type ImageRecord, readImage } from './image-record.js';
import type { IndexEntry } from './index-file.js';
import { shortName } from './look-up.js';

export type ImageSummary = {
  /** The config digest's digits; for a broken image those of the entry's own digest. */
  readonly id: string;
  /** Full references; none for an untagged image. */
  readonly references: readonly string[];
  /** The same in the short form people type. */
  readonly names: readonly string[];
  /** What each of them points at: a list and an image, or two manifests, may stand for one id. */
  readonly digests: readonly Digest[];
  /** Those of them that are lists. */
  readonly lists: readonly Digest[];
  /** RFC 3339: when it was built here, else what the config says. */
  readonly created?: string;
  /** Bytes of all layers, uncompressed where they are unpacked, else as stored. */
  readonly size: number;
  /** Of the tagged manifest or index, the first of them. */
  readonly digest: Digest;
  readonly architecture?: string;
  readonly os?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** It is in another store only, which is never written. */
  readonly readonly?: true;
  /** Why the image cannot be used, e.g. a missing blob. */
  readonly broken?: string;
};

/** What of an image is the same under each of its names. */
export type ImageFacts = Pick<ImageSummary, 'id' | 'created' | 'size' | 'labels'> &
  Required<Pick<ImageSummary, 'architecture' | 'os'>>;

/** What is known of images without reading them. */
export type ImageMemory = {
  find(digest: Digest): ImageFacts | undefined;
  learn(image: ImageRecord, facts: ImageFacts): void;
};

/** The images of the entries, newest first. */
export function summarize(
  entries: readonly IndexEntry[],
  stores: { readonly content: ContentStore; readonly snapshots: SnapshotStore },
  memory?: ImageMemory,
): readonly ImageSummary[] {
  const sizes: LayerSizes = new Map();
  const images = new Map<string, ImageSummary>();
  const read = (entry: IndexEntry): ImageFacts => {
    const record = readImage(entry, stores.content, { nearest: true });
    const facts = factsOf(record, imageBytes(record, stores.snapshots, sizes));
    memory?.learn(record, facts);
    return facts;
  };
  for (const entry of entries) {
    const summary = summarizeEntry(entry, () => memory?.find(entry.descriptor.digest) ?? read(entry));
    const known = images.get(summary.id);
    images.set(summary.id, known === undefined ? summary : merge(known, summary));
  }
  // Not localeCompare, whose first call loads collation data for milliseconds.
  const age = ({ created = '' }: ImageSummary): string => created;
  return [...images.values()].sort((one, other) =>
    age(one) < age(other) ? 1 : age(one) > age(other) ? -1 : 0,
  );
}

function merge(one: ImageSummary, other: ImageSummary): ImageSummary {
  const { readonly: _readonly, ...own } = one;
  return {
    ...(other.readonly === true ? one : own),
    references: [...one.references, ...other.references],
    names: [...one.names, ...other.names],
    digests: [...one.digests, ...other.digests],
    lists: [...one.lists, ...other.lists],
  };
}

function summarizeEntry(entry: IndexEntry, factsOfEntry: () => ImageFacts): ImageSummary {
  const { digest, mediaType } = entry.descriptor;
  const references = entry.reference === undefined ? [] : [entry.reference];
  const digests = references.map(() => digest);
  const common = {
    references,
    names: references.map(shortName),
    digests,
    lists: isIndex(mediaType) ? [digest] : [],
    digest,
    ...present('readonly', entry.readonly),
  };
  try {
    const facts = factsOfEntry();
    return { ...common, ...facts, ...present('created', entry.built ?? facts.created) };
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    return { id: digestHex(digest), ...common, size: 0, labels: {}, broken: error.message };
  }
}

function factsOf({ id, config }: ImageRecord, size: number): ImageFacts {
  const { architecture, os, created } = config;
  return { id, ...present('created', created), size, architecture, os, labels: config.config?.Labels ?? {} };
}

type LayerSizes = Map<SnapshotId, number | undefined>;

/** Bytes of all layers, uncompressed where they are unpacked, else as stored. */
export function imageBytes(
  record: ImageRecord,
  snapshots: SnapshotStore,
  sizes: LayerSizes = new Map(),
): number {
  const sizeOf = (id: SnapshotId): number | undefined => {
    if (!sizes.has(id)) sizes.set(id, snapshots.get(id)?.size);
    return sizes.get(id);
  };
  const unpacked = (snapshots.topOfImage(record.configDigest)?.lowers ?? []).map(sizeOf);
  const known = unpacked.filter((size) => size !== undefined);
  const complete = known.length === unpacked.length && known.length === record.manifest.layers.length;
  return sum(complete ? known : record.manifest.layers.map(({ size }) => size));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
