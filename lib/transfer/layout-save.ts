/** Writing oci-archive: an OCI layout as a tar. Blobs go as they are; layers made here are compressed first. */
import { createWriteStream, rmSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { CoracleError, ioError } from '../errors.js';
import { type ImageRecord, readImage } from '../image/image-record.js';
import { layerType } from '../image/reform.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { annotationNames, layoutMarker, layoutNames } from '../oci/layout.js';
import { type ImageIndex, manifestLimit, parseManifest, serializeManifest } from '../oci/manifest.js';
import { dockerTypes, layerCompression, ociTypes } from '../oci/media-types.js';
import { type ArchiveEntry, directoryEntry, fileEntry, readWhole, textEntry } from './archive-entries.js';
import { compressLayer, defaultLevels, type LayerEncoding } from './compressed-layers.js';
import { documentOf, isImageManifest } from './push.js';

const gzip: LayerEncoding = { kind: 'gzip', level: defaultLevels.gzip };
const plain: LayerEncoding = { kind: 'none', level: defaultLevels.none };

/** An image, an index or an artifact, and the full references it is saved under. */
export type SavedEntry = { readonly descriptor: Descriptor; readonly references: readonly string[] };

/** The archive's entries; `plain`: layers made here are not compressed. */
export async function* layoutEntries(
  stores: Stores,
  saved: readonly SavedEntry[],
  options: { readonly plain?: boolean } = {},
): AsyncGenerator<ArchiveEntry, void> {
  const writer = new LayoutWriter(stores, options.plain === true ? plain : gzip);
  yield textEntry(layoutNames.marker, layoutMarker);
  yield directoryEntry(`${layoutNames.blobs}/`);
  yield directoryEntry(`${layoutNames.blobs}/sha256/`);
  const manifests: Descriptor[] = [];
  for (const { descriptor: stored, references } of saved) {
    const descriptor = yield* writer.entry(stored);
    const names = references.length === 0 ? [undefined] : references;
    for (const name of names) manifests.push(named(descriptor, name));
  }
  const index: ImageIndex = { kind: 'index', mediaType: ociTypes.index, manifests };
  yield textEntry(layoutNames.index, serializeManifest(index));
}

function named(descriptor: Descriptor, name: string | undefined): Descriptor {
  if (name === undefined) return descriptor;
  const annotations = { [annotationNames.refName]: name, [annotationNames.containerdImageName]: name };
  return { ...descriptor, annotations: { ...descriptor.annotations, ...annotations } };
}

type Entries<T> = AsyncGenerator<ArchiveEntry, T>;

class LayoutWriter {
  readonly #stores: Stores;
  readonly #written = new Set<Digest>();

  readonly #encoding: LayerEncoding;

  constructor(stores: Stores, encoding: LayerEncoding) {
    this.#stores = stores;
    this.#encoding = encoding;
  }

  /** An index, an image, or an artifact such as a signature, which goes as it is. */
  async *entry(entry: Descriptor): Entries<Descriptor> {
    const { content } = this.#stores;
    const bytes = await content.read(entry.digest, manifestLimit);
    const manifest = parseManifest(bytes, `manifest ${entry.digest}`, entry.mediaType);
    if (manifest.kind === 'index') return yield* this.#index(entry, manifest, bytes);
    if (isImageManifest(manifest)) return yield* this.#manifest(readImage({ descriptor: entry }, content));
    for (const blob of [manifest.config, ...manifest.layers]) yield* this.#blob(blob);
    return yield* this.#document(bytes, manifest.mediaType, manifest.artifactType);
  }

  /** All of an index that is in the store whole, else the one image. */
  async *#index(descriptor: Descriptor, index: ImageIndex, bytes: Buffer): Entries<Descriptor> {
    const { content } = this.#stores;
    if (!index.manifests.every(({ digest }) => content.has(digest))) {
      return yield* this.#manifest(readImage({ descriptor }, content, { nearest: true }));
    }
    const manifests: Descriptor[] = [];
    for (const entry of index.manifests) {
      const { digest, size } = yield* this.entry(entry);
      manifests.push({ ...entry, digest, size });
    }
    const same = manifests.every(({ digest }, at) => digest === index.manifests[at]?.digest);
    const written = same ? bytes : Buffer.from(serializeManifest({ ...index, manifests }));
    return yield* this.#document(written, index.mediaType);
  }

  async *#manifest(image: ImageRecord): Entries<Descriptor> {
    const { manifest } = image;
    const layers: Descriptor[] = [];
    for (const [index, layer] of manifest.layers.entries()) {
      if (this.#stores.content.has(layer.digest)) layers.push(yield* this.#blob(layer));
      else layers.push(yield* this.#made(image, index, layer));
    }
    yield* this.#blob(manifest.config);
    const same = layers.every(({ digest }, at) => digest === manifest.layers[at]?.digest);
    const bytes = same
      ? await this.#stores.content.read(image.manifestDescriptor.digest, manifestLimit)
      : Buffer.from(serializeManifest({ ...manifest, layers }));
    return yield* this.#document(bytes, manifest.mediaType);
  }

  async *#blob(blob: Descriptor): Entries<Descriptor> {
    const { digest, size } = blob;
    if (this.#first(digest)) yield fileEntry(blobName(digest), size, () => this.#stores.content.open(digest));
    return blob;
  }

  /** The tar header needs the size first, so the compressed layer waits in staging. */
  async *#made(image: ImageRecord, index: number, layer: Descriptor): Entries<Descriptor> {
    if (layerCompression(layer.mediaType) !== 'none') {
      throw new CoracleError('NOT_FOUND', `save layer ${layer.digest}: not in the store`, {
        hint: 'pull the image again',
      });
    }
    const path = this.#stores.staging.open().file('layer');
    try {
      const stream = compressLayer(this.#stores, image, index, this.#encoding);
      await spool(stream.chunks, path);
      const { digest, size } = stream.finish();
      if (this.#first(digest)) yield fileEntry(blobName(digest), size, () => readWhole(path));
      return { mediaType: madeType(image, this.#encoding), digest, size };
    } finally {
      rmSync(path, { force: true });
    }
  }

  async *#document(bytes: Buffer, mediaType: string, artifactType?: string): Entries<Descriptor> {
    const { descriptor } = documentOf(bytes, mediaType);
    if (this.#first(descriptor.digest)) yield textEntry(blobName(descriptor.digest), bytes);
    return { ...descriptor, ...present('artifactType', artifactType) };
  }

  #first(digest: Digest): boolean {
    if (this.#written.has(digest)) return false;
    this.#written.add(digest);
    return true;
  }
}

function madeType({ manifest }: ImageRecord, { kind }: LayerEncoding): string {
  const type = kind === 'none' ? ociTypes.layer : ociTypes.layerGzip;
  return layerType(type, manifest.mediaType === dockerTypes.manifest);
}

function blobName(digest: Digest): string {
  return `${layoutNames.blobs}/${digestAlgorithm(digest)}/${digestHex(digest)}`;
}

async function spool(source: AsyncIterable<Buffer>, path: string): Promise<void> {
  try {
    await pipeline(source, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    throw ioError('store layer', error);
  }
}
