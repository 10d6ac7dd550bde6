/** Which snapshot is which layer of which image; also for snapshots whose own record is damaged. */
import type { Stores } from '../image/stores.js';
import type { ChainId, DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { SnapshotId, SnapshotRecord } from '../snapshot/record.js';
import type { Inventory, ReadableImage } from './inventory.js';
import { readable } from './layer-files.js';

/** A layer on its place above others. */
export type LayerPlace = {
  readonly id: SnapshotId;
  readonly parent: SnapshotRecord | undefined;
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly layer: Descriptor;
};

/** Every snapshot that is an image's layer, once, with the images that lie on it. */
export class LayerPlaces {
  readonly #stores: Stores;
  readonly #stacks = new Map<ReadableImage, readonly (SnapshotId | undefined)[]>();

  constructor(stores: Stores, inventory: Inventory) {
    this.#stores = stores;
    for (const image of inventory.images) this.#stacks.set(image, stackOf(stores, image));
  }

  /** Ids of an image's layers, the lowest first, as far as anything tells them. */
  stackOf(image: ReadableImage): readonly (SnapshotId | undefined)[] {
    return this.#stacks.get(image) ?? [];
  }

  /** How many layers a stack has up to this one; 0 where no image tells. */
  depthOf(id: SnapshotId): number {
    return Math.max(0, ...[...this.#stacks.values()].map((stack) => stack.indexOf(id) + 1));
  }

  /** Names of the images that lie on a snapshot. */
  imagesOn(id: SnapshotId): readonly string[] {
    return [...this.#stacks].filter(([, stack]) => stack.includes(id)).map(([{ name }]) => name);
  }

  /** Where a snapshot belongs; undefined for one that is no image's layer, or lies on damaged ones. */
  of(id: SnapshotId): LayerPlace | undefined {
    for (const [image, stack] of this.#stacks) {
      const index = stack.indexOf(id);
      const [layer, diffId, chainId] = [
        image.manifest.layers[index],
        image.diffIds[index],
        image.chainIds[index],
      ];
      if (layer === undefined || diffId === undefined || chainId === undefined) continue;
      const below = index === 0 ? undefined : stack[index - 1];
      const parent = below === undefined ? undefined : readable(this.#stores, below);
      if (index > 0 && parent === undefined) continue;
      return { id, parent, diffId, chainId, layer };
    }
    return undefined;
  }

  /** Layers that are neither unpacked nor there as a blob to unpack. */
  *lost(): Generator<{ readonly image: ReadableImage; readonly diffId: DiffId }> {
    const { content, snapshots } = this.#stores;
    for (const [image, stack] of this.#stacks) {
      for (const [index, diffId] of image.diffIds.entries()) {
        const [id, layer] = [stack[index], image.manifest.layers[index]];
        if (id !== undefined && (snapshots.ids().includes(id) || readable(this.#stores, id) !== undefined))
          continue;
        const blob = content.has(diffId) || (layer !== undefined && content.has(layer.digest));
        if (!blob && layer?.digest === diffId) yield { image, diffId };
      }
    }
  }
}

/** By the top's own record, else by the links of each layer's chainID. */
function stackOf({ snapshots }: Stores, image: ReadableImage): readonly (SnapshotId | undefined)[] {
  const top = snapshots.imageTops.read(image.config);
  const record = top === undefined ? undefined : readable({ snapshots }, top);
  if (record !== undefined && record.lowers.length === image.chainIds.length)
    return [...record.lowers].reverse();
  return image.chainIds.map((chainId, index) => {
    const isTop = index === image.chainIds.length - 1;
    return (isTop ? top : undefined) ?? snapshots.chains.read(chainId);
  });
}
