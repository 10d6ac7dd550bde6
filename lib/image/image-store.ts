/**
 * Images by name. A *reference* is the full name an index entry is tagged with; an image's *id* is its config's
 * digest; several references may stand for one id, and an entry without reference is an untagged image.
 * Changes happen under a lock and replace index.json; readers take none. Reading loads no cryptography.
 */
import type { ContentStore } from '../content/content-store.js';
import { CoracleError } from '../errors.js';
import type { StorePaths } from '../host/paths.js';
import type { Locks } from '../host/staging.js';
import { writeEvent } from '../native/journal.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { formatReference, parseReference } from '../oci/reference.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { SnapshotStore } from '../snapshot/snapshot-store.js';
import { containerUses } from './container-use.js';
import { type ChooseImage, type ImageRecord, readImage } from './image-record.js';
import { type ImageSummary, imageBytes, summarize } from './image-summary.js';
import { type IndexEntry, IndexFile } from './index-file.js';
import { type IndexSearch, lookUp } from './look-up.js';
import { type RemovedImage, removeEntries } from './remove-entries.js';
import { IndexSet, readSharedIndexes } from './shared-images.js';
import { addEntry, builtOf, dropReference, rebuildEntry, tagEntry } from './tag-entries.js';

export type ResolveOptions = ChooseImage;

/** From here on, to know them is quicker than to read them. */
const manyImages = 32;

export class ImageStore {
  readonly #paths: StorePaths;
  readonly #content: ContentStore;
  readonly #snapshots: SnapshotStore;
  readonly #index: IndexFile;

  constructor(parts: {
    readonly paths: StorePaths;
    readonly content: ContentStore;
    readonly snapshots: SnapshotStore;
    readonly locks: Locks;
  }) {
    this.#paths = parts.paths;
    this.#content = parts.content;
    this.#snapshots = parts.snapshots;
    this.#index = new IndexFile(parts.paths, parts.locks);
  }

  /** All entries of the store's own index.json. */
  entries(): readonly IndexEntry[] {
    return this.#index.read().entries();
  }

  /** Those of stores that are only read as well. */
  allEntries(): readonly IndexEntry[] {
    return this.#search().entries();
  }

  /** All images, each once, with all its references; newest first. Artifacts are none. */
  list(): readonly ImageSummary[] {
    return summarize(this.#imageEntries(), { content: this.#content, snapshots: this.#snapshots });
  }

  /** As `list`; of many images only what is new is read. */
  async listQuickly(): Promise<readonly ImageSummary[]> {
    const entries = this.#imageEntries();
    // Other stores' blobs are not in the directories by which what is known is judged.
    if (entries.length < manyImages || this.#paths.additional.length > 0) return this.list();
    const { KnownImages } = await import('./known-images.js');
    const stores = { content: this.#content, snapshots: this.#snapshots };
    const known = new KnownImages(this.#paths, stores);
    const images = summarize(entries, stores, known);
    known.save();
    return images;
  }

  /** Bytes of an image's layers, as `list` tells them. */
  bytesOf(image: ImageRecord): number {
    return imageBytes(image, this.#snapshots);
  }

  #imageEntries(): readonly IndexEntry[] {
    return this.allEntries().filter(({ descriptor }) => descriptor.artifactType === undefined);
  }

  /** The entry a person means, whatever it points at: an image, an index, or an artifact; undefined when there is none. */
  findEntry(text: string): IndexEntry | undefined {
    return lookUp(text, this.#search(), (entry) => this.#configOf(entry.descriptor));
  }

  /**
   * The image a person means by a reference in any form, `name@digest`, a manifest's or config's digest, an id,
   * or at least two digits that begin exactly one id. A name wins over an id.
   * @throws NOT_FOUND, USAGE when an id's beginning is ambiguous.
   */
  resolve(text: string, options: ResolveOptions = {}): ImageRecord {
    const found = this.#open(text, options);
    if (found !== undefined) return found;
    throw new CoracleError('NOT_FOUND', `open image ${text}: not in the store`, {
      hint: `coracle pull ${text}, or coracle images for what is there`,
    });
  }

  /** As `resolve`, but undefined when there is none; also when there is one for other platforms only. */
  find(text: string, options: ResolveOptions = {}): ImageRecord | undefined {
    try {
      return this.#open(text, options);
    } catch (error) {
      if (error instanceof CoracleError && error.code === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Gives an image a name. Who had it before stays as an untagged image if that was its last. Returns the full reference. */
  tag(image: ImageRecord | Descriptor, reference: string): string {
    if ('manifest' in image) return this.setTag(reference, image.descriptor, image.configDigest);
    return this.setTag(reference, image, this.#configOf(image));
  }

  /** Keeps an image that was built now, under a name or without. Returns the full reference. */
  addBuilt(image: ImageRecord, reference: string | undefined): string | undefined {
    const full = reference === undefined ? undefined : fullReference(reference);
    const { descriptor, configDigest: config } = image;
    const built = new Date().toISOString();
    const entry: IndexEntry = { descriptor, config, built, ...present('reference', full) };
    this.#index.change((entries) => ({ entries: rebuildEntry(entries, entry), result: undefined }));
    return full;
  }

  /** As `tag`, for a descriptor whose config's digest is known, or unknown because no platform of it is here. */
  setTag(reference: string, descriptor: Descriptor, config?: Digest): string {
    const full = fullReference(reference);
    const entry: IndexEntry = { descriptor, reference: full, ...(config === undefined ? {} : { config }) };
    this.#index.changeAround({ references: [full], digests: [descriptor.digest] }, (entries) => ({
      entries: tagEntry(entries, { ...entry, ...present('built', builtOf(entries, descriptor)) }),
      result: undefined,
    }));
    return full;
  }

  /**
   * Has a name point at something else, and keeps nothing of what it pointed at. False, and nothing is done, when it does
   * not point at `before` any more; undefined means that there is no such name yet.
   */
  replaceTag(reference: string, descriptor: Descriptor, before: Digest | undefined): boolean {
    const full = fullReference(reference);
    const config = this.#configOf(descriptor);
    return this.#index.changeAround({ references: [full], digests: [descriptor.digest] }, (entries) => {
      const owner = entries.find((entry) => entry.reference === full);
      if (owner?.descriptor.digest !== before) return { entries, result: false };
      const others = entries.filter((entry) => entry !== owner);
      const entry: IndexEntry = { descriptor, reference: full, ...present('config', config) };
      return { entries: tagEntry(others, entry), result: true };
    });
  }

  /** Keeps an image without a name. */
  add(image: ImageRecord | Descriptor): void {
    const descriptor = 'manifest' in image ? image.descriptor : image;
    const config = 'manifest' in image ? image.configDigest : this.#configOf(image);
    const entry: IndexEntry = { descriptor, ...(config === undefined ? {} : { config }) };
    this.#index.changeAround({ digests: [descriptor.digest] }, (entries) => ({
      entries: addEntry(entries, entry),
      result: undefined,
    }));
  }

  /**
   * Keeps the image that a container was just made of: who took its last name away before the container's record was
   * there could not know. Until then the caller keeps sweeps away; of another store, they may have taken all of it.
   */
  keepUsed(image: ImageRecord): void {
    if (this.#content.ownSize(image.descriptor.digest) === undefined) return;
    if (this.#index.holds(image.descriptor.digest) || this.#isShared(image.configDigest)) return;
    this.add(image);
  }

  /** Takes a name away; the image stays. @throws NOT_FOUND */
  untag(reference: string): void {
    const full = fullReference(reference);
    const known = this.#index.changeAround({ references: [full, reference] }, (entries) => {
      const name = entries.some((entry) => entry.reference === full) ? full : reference;
      const after = dropReference(entries, name);
      return { entries: after, result: after !== entries };
    });
    if (known) return;
    this.#refuseShared(reference, 'untag');
    throw new CoracleError('NOT_FOUND', `untag ${reference}: no such reference`);
  }

  /**
   * Removes a name, or the image with its last one. Blobs and snapshots go with the next `sweep`.
   * @throws NOT_FOUND; unless `force`, IN_USE when a container uses it, CONFLICT when an id has several names.
   */
  remove(text: string, options: { readonly force?: boolean } = {}): RemovedImage {
    const own = lookUp(text, this.#index.read(), (entry) => this.#configOf(entry.descriptor));
    if (own === undefined) this.#refuseShared(text, 'remove image');
    const removed = this.#index.change((entries) => {
      const context = {
        configOf: (entry: IndexEntry) => entry.config ?? this.#configOf(entry.descriptor),
        // The image of another store stays, whatever names it has here.
        users: (config: Digest) => (this.#isShared(config) ? [] : this.containersUsing(config)),
      };
      return removeEntries(text, entries, { ...context, force: options.force ?? false });
    });
    for (const name of removed.untagged) writeEvent(this.#paths, 'image', 'untag', { name });
    for (const id of removed.deleted) writeEvent(this.#paths, 'image', 'remove', { id });
    return removed;
  }

  /** The ids of containers made from an image. */
  containersUsing(config: Digest): readonly string[] {
    const top = this.#snapshots.topOfImage(config)?.id;
    const id = config.slice(config.indexOf(':') + 1);
    return containerUses(this.#paths)
      .filter((use) =>
        use.imageId === undefined ? top !== undefined && use.snapshot === top : use.imageId === id,
      )
      .map((use) => use.container);
  }

  /** The snapshot of the image's uppermost layer; undefined until it is unpacked. */
  topSnapshot(record: ImageRecord): SnapshotRecord | undefined {
    return this.#snapshots.topOfImage(record.configDigest);
  }

  #open(text: string, options: ResolveOptions): ImageRecord | undefined {
    const index = this.#search();
    const entry = lookUp(text, index, (other) => this.#configOf(other.descriptor));
    if (entry === undefined) return undefined;
    const record = readImage(entry, this.#content, options);
    const references = entry.config === undefined ? [] : referencesTo(record.id, index);
    // The index of an image may have been tagged for another platform's sake.
    return { ...record, references: [...new Set([...record.references, ...references])] };
  }

  #search(): IndexSearch {
    const own = this.#index.read();
    const { additional } = this.#paths;
    return additional.length === 0 ? own : new IndexSet(own, readSharedIndexes(additional));
  }

  #isShared(config: Digest): boolean {
    const { additional } = this.#paths;
    return readSharedIndexes(additional).some((view) =>
      view.entries().some((entry) => (entry.config ?? this.#configOf(entry.descriptor)) === config),
    );
  }

  /** @throws UNSUPPORTED when only another store has the image. */
  #refuseShared(text: string, action: string): void {
    if (this.#paths.additional.length === 0 || this.findEntry(text) === undefined) return;
    throw new CoracleError(
      'UNSUPPORTED',
      `${action} ${text}: it is in an additional store, which is only read`,
      {
        hint: `the stores: ${this.#paths.additional.map(({ root }) => root).join(', ')}`,
      },
    );
  }

  /** The config's digest, undefined when the image is not (or not for this platform) in the store. */
  #configOf(descriptor: Descriptor): Digest | undefined {
    try {
      return readImage({ descriptor }, this.#content, { nearest: true }).configDigest;
    } catch (error) {
      if (error instanceof CoracleError && ['NOT_FOUND', 'UNSUPPORTED', 'INVALID'].includes(error.code))
        return undefined;
      throw error;
    }
  }
}

function fullReference(reference: string): string {
  return formatReference(parseReference(reference));
}

function referencesTo(id: string, index: IndexSearch): readonly string[] {
  return index
    .select({ kind: 'id', prefix: id })
    .map(({ reference }) => reference)
    .filter((reference) => reference !== undefined);
}
