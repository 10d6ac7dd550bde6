/** What the tags of a store refer to: every blob with the images that need it, and every layer on its place. */

import { CoracleError } from '../errors.js';
import type { IndexEntry } from '../image/index-file.js';
import { layerChainIds } from '../image/layer-chain-ids.js';
import type { Stores } from '../image/stores.js';
import type { ChainId, DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { imageConfigLimit, parseImageConfig } from '../oci/image-config.js';
import { type ImageManifest, manifestLimit, parseManifest } from '../oci/manifest.js';
import { isImageConfig, isIndex, isManifest } from '../oci/media-types.js';

/** A blob that an image needs. */
export type NeededBlob = {
  readonly descriptor: Descriptor;
  /** Of an index only the manifests of platforms that were pulled are here. */
  readonly optional: boolean;
  /** The layer's own tar, which its files can give again. */
  readonly madeFromLayer: boolean;
  readonly images: Set<string>;
  /** Full references of those images. */
  readonly references: Set<string>;
};

/** An image for one platform whose manifest and config can be read. */
export type ReadableImage = {
  readonly name: string;
  readonly references: readonly string[];
  readonly manifest: ImageManifest;
  readonly config: Digest;
  readonly diffIds: readonly DiffId[];
  readonly chainIds: readonly ChainId[];
};

export type Inventory = {
  readonly blobs: ReadonlyMap<Digest, NeededBlob>;
  readonly images: readonly ReadableImage[];
  /** Manifests and configs that are there and make no sense. */
  readonly unreadable: readonly {
    readonly digest: Digest;
    readonly image: string;
    readonly reason: string;
  }[];
  /** Images none of whose platforms is here. */
  readonly empty: readonly string[];
};

/** Reads all that tags refer to. @throws INVALID when index.json cannot be read. */
export function takeInventory(stores: Stores): Inventory {
  const walk = new Walk(stores);
  for (const entry of stores.images.entries()) walk.entry(entry);
  return walk;
}

/** How people know an entry. */
export function nameOf({ reference, descriptor }: IndexEntry): string {
  return reference ?? descriptor.digest.slice(0, 19);
}

class Walk implements Inventory {
  readonly blobs = new Map<Digest, NeededBlob>();
  readonly images: ReadableImage[] = [];
  readonly unreadable: { digest: Digest; image: string; reason: string }[] = [];
  readonly empty: string[] = [];
  readonly #stores: Stores;
  #entry: IndexEntry | undefined;

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  entry(entry: IndexEntry): void {
    this.#entry = entry;
    this.#document(entry.descriptor, false);
  }

  #need(
    descriptor: Descriptor,
    how: { readonly optional?: boolean; readonly madeFromLayer?: boolean },
  ): void {
    const { optional = false, madeFromLayer = false } = how;
    const known = this.blobs.get(descriptor.digest);
    const blob: NeededBlob =
      known === undefined
        ? { descriptor, optional, madeFromLayer, images: new Set(), references: new Set() }
        : { ...known, optional: known.optional && optional };
    if (this.#entry !== undefined) {
      blob.images.add(nameOf(this.#entry));
      if (this.#entry.reference !== undefined) blob.references.add(this.#entry.reference);
    }
    this.blobs.set(descriptor.digest, blob);
  }

  /** A manifest or an index; false when it is not here. */
  #document(descriptor: Descriptor, optional: boolean): boolean {
    this.#need(descriptor, { optional });
    const { digest, mediaType } = descriptor;
    if (!this.#stores.content.has(digest)) return false;
    this.#guard(digest, () => {
      const bytes = this.#stores.content.readTrusted(digest, manifestLimit);
      const manifest = parseManifest(bytes, `manifest ${digest}`, mediaType);
      if (manifest.kind === 'manifest') return this.#manifest(manifest);
      const here = manifest.manifests.filter((child) => {
        const isDocument = isManifest(child.mediaType) || isIndex(child.mediaType);
        if (!isDocument) this.#need(child, { optional: true });
        return isDocument && this.#document(child, true);
      });
      if (here.length === 0 && manifest.manifests.length > 0 && this.#entry !== undefined)
        this.empty.push(nameOf(this.#entry));
    });
    return true;
  }

  #manifest(manifest: ImageManifest): void {
    this.#need(manifest.config, {});
    const diffIds = isImageConfig(manifest.config.mediaType) ? this.#diffIds(manifest.config.digest) : [];
    for (const [index, layer] of manifest.layers.entries()) {
      this.#need(layer, { madeFromLayer: layer.digest === diffIds[index] });
    }
    if (diffIds.length !== manifest.layers.length || this.#entry === undefined) return;
    const { reference } = this.#entry;
    this.images.push({
      name: nameOf(this.#entry),
      references: reference === undefined ? [] : [reference],
      manifest,
      config: manifest.config.digest,
      diffIds,
      chainIds: layerChainIds(diffIds),
    });
  }

  #diffIds(config: Digest): readonly DiffId[] {
    let diffIds: readonly DiffId[] = [];
    if (!this.#stores.content.has(config)) return diffIds;
    this.#guard(config, () => {
      const bytes = this.#stores.content.readTrusted(config, imageConfigLimit);
      diffIds = parseImageConfig(bytes, `config ${config}`).rootfs.diff_ids;
    });
    return diffIds;
  }

  #guard(digest: Digest, action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof CoracleError) || !['INVALID', 'UNSUPPORTED'].includes(error.code)) throw error;
      const image = this.#entry === undefined ? '' : nameOf(this.#entry);
      this.unreadable.push({ digest, image, reason: error.message });
    }
  }
}
