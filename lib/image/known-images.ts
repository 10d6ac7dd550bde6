/**
 * What `images` shows of each image, kept from one call to the next: to read a thousand images takes thousands of files. What a
 * digest decides never changes, so all that is asked again is what is there now: three directories tell. A file that is
 * missing, damaged or of another form is written anew; one that cannot be written is done without.
 */
import type { ContentStore } from '../content/content-store.js';
import { CoracleError } from '../errors.js';
import { readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { type Digest, parseDigest } from '../oci/digest.js';
import {
  optional,
  present,
  requireObject,
  requireSize,
  requireString,
  requireStringMap,
  requireStrings,
  type UnknownRecord,
} from '../oci/guards.js';
import { manifestLimit, parseManifest } from '../oci/manifest.js';
import { isIndex } from '../oci/media-types.js';
import { formatPlatform, hostPlatform } from '../oci/platform.js';
import type { SnapshotStore } from '../snapshot/snapshot-store.js';
import type { ImageRecord } from './image-record.js';
import type { ImageFacts, ImageMemory } from './image-summary.js';

/** Facts, and what has to be so for them to hold. */
type Known = {
  readonly facts: ImageFacts;
  readonly config: Digest;
  /** What was there of the blobs it depends on. */
  readonly blobs: readonly string[];
  /** Images of its index that were not: with one of them another might be meant. */
  readonly missing: readonly string[];
  /** The layers as unpacked, topmost first; none where they were not. */
  readonly lowers: readonly string[];
};

const version = 1;

export class KnownImages implements ImageMemory {
  readonly #path: string;
  readonly #content: ContentStore;
  readonly #snapshots: SnapshotStore;
  readonly #blobs: ReadonlySet<string>;
  readonly #layers: ReadonlySet<string>;
  readonly #before: UnknownRecord;
  readonly #now: Record<string, unknown> = {};
  #learned = false;

  constructor(
    paths: StorePaths,
    stores: { readonly content: ContentStore; readonly snapshots: SnapshotStore },
  ) {
    this.#path = paths.knownImages;
    this.#content = stores.content;
    this.#snapshots = stores.snapshots;
    this.#blobs = new Set(stores.content.list());
    this.#layers = new Set(stores.snapshots.ids());
    this.#before = readKnown(this.#path);
  }

  /** The facts of what an entry with this digest means, undefined where they are not known or may have changed. */
  find(digest: Digest): ImageFacts | undefined {
    const value = this.#before[digest];
    const known = value === undefined ? undefined : parseKnown(value, this.#path);
    if (known === undefined || !this.#holds(known)) return undefined;
    this.#now[digest] = value;
    return known.facts;
  }

  /** Remembers an image as it is now. */
  learn(image: ImageRecord, facts: ImageFacts): void {
    const { descriptor, manifestDescriptor, configDigest: config } = image;
    const all = isIndex(descriptor.mediaType) ? this.#imagesOf(descriptor.digest) : [];
    // An index within the index: its own entries would have to be looked at as well.
    if (![descriptor.digest, ...all].includes(manifestDescriptor.digest)) return;
    const blobs = [descriptor.digest, config, ...all.filter((digest) => this.#blobs.has(digest))];
    const missing = all.filter((digest) => !this.#blobs.has(digest));
    const lowers = this.#snapshots.topOfImage(config)?.lowers ?? [];
    const known: Known = { facts, config, blobs, missing, lowers };
    if (!this.#holds(known)) return;
    this.#now[descriptor.digest] = known;
    this.#learned = true;
  }

  /** Keeps what was found and learned, and nothing else. */
  save(): void {
    if (!this.#learned && Object.keys(this.#now).length === Object.keys(this.#before).length) return;
    try {
      const text = JSON.stringify({ version, platform: thisPlatform(), images: this.#now });
      writeFileAtomic(this.#path, `${text}\n`);
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
    }
  }

  #holds({ config, blobs, missing, lowers }: Known): boolean {
    const top = this.#snapshots.imageTops.read(config);
    return (
      blobs.every((digest) => this.#blobs.has(digest)) &&
      !missing.some((digest) => this.#blobs.has(digest)) &&
      (top !== undefined && this.#layers.has(top) ? top : undefined) === lowers[0] &&
      lowers.every((id) => this.#layers.has(id))
    );
  }

  #imagesOf(index: Digest): readonly Digest[] {
    const where = `manifest ${index}`;
    const manifest = parseManifest(this.#content.readTrusted(index, manifestLimit), where);
    return manifest.kind === 'index' ? manifest.manifests.map(({ digest }) => digest) : [];
  }
}

function readKnown(path: string): UnknownRecord {
  try {
    const value = readJson(path);
    if (value === undefined) return {};
    const record = requireObject(value, path);
    const fits = record.version === version && record.platform === thisPlatform();
    return fits ? requireObject(record.images, path) : {};
  } catch (error) {
    if (error instanceof CoracleError) return {};
    throw error;
  }
}

/** Which image of an index is meant depends on it. */
function thisPlatform(): string {
  return formatPlatform(hostPlatform());
}

function parseKnown(value: unknown, where: string): Known | undefined {
  try {
    const known = requireObject(value, where);
    const facts = requireObject(known.facts, where);
    return {
      facts: {
        id: requireString(facts.id, where),
        ...present('created', optional(facts.created, where, requireString)),
        size: requireSize(facts.size, where),
        architecture: requireString(facts.architecture, where),
        os: requireString(facts.os, where),
        labels: requireStringMap(facts.labels, where),
      },
      config: parseDigest(known.config, where),
      blobs: requireStrings(known.blobs, where),
      missing: requireStrings(known.missing, where),
      lowers: requireStrings(known.lowers, where),
    };
  } catch (error) {
    if (error instanceof CoracleError) return undefined;
    throw error;
  }
}
