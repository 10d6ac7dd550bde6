/** Layers and the images that share them. Pure. */
import type { DiffId } from '../oci/chain-id.js';

/** A layer on its place above others. */
export type LayerNode = {
  readonly diffId: DiffId;
  /** Bytes, where they are known. */
  readonly size: number | undefined;
  /** Names of the images it is the uppermost layer of; ids of those without a name. */
  readonly topOf: readonly string[];
  readonly children: readonly LayerNode[];
};

/** An image as a tree of layers is made of it. */
export type LayeredImage = {
  readonly names: readonly string[];
  readonly diffIds: readonly DiffId[];
  /** Of each layer. */
  readonly sizes: readonly (number | undefined)[];
};

/** The layers of an image, the lowest first, each with the images that end with it. */
export function layerLine(image: LayeredImage, images: readonly LayeredImage[]): readonly LayerNode[] {
  return image.diffIds.map((diffId, index) => ({
    diffId,
    size: image.sizes[index],
    topOf: namesAt(image.diffIds.slice(0, index + 1), images),
    children: [],
  }));
}

/** The uppermost layer of an image, and above it the layers of the others that have it. */
export function layerWithAbove(image: LayeredImage, images: readonly LayeredImage[]): readonly LayerNode[] {
  const above = layersAbove(image.diffIds, images);
  const top = layerLine(image, images).at(-1);
  return top === undefined ? above : [{ ...top, children: above }];
}

/** The layers of other images above those of an image. */
export function layersAbove(base: readonly DiffId[], images: readonly LayeredImage[]): readonly LayerNode[] {
  const above = images.filter(({ diffIds }) => diffIds.length > base.length && startsWith(diffIds, base));
  const next = [...new Set(above.map(({ diffIds }) => diffIds[base.length]))].filter(
    (id) => id !== undefined,
  );
  return next.map((diffId) => {
    const chain = [...base, diffId];
    const one = above.find(({ diffIds }) => diffIds[base.length] === diffId);
    return {
      diffId,
      size: one?.sizes[base.length],
      topOf: namesAt(chain, images),
      children: layersAbove(chain, images),
    };
  });
}

function namesAt(chain: readonly DiffId[], images: readonly LayeredImage[]): readonly string[] {
  return images
    .filter(({ diffIds }) => diffIds.length === chain.length && startsWith(diffIds, chain))
    .flatMap(({ names }) => names);
}

function startsWith(whole: readonly DiffId[], start: readonly DiffId[]): boolean {
  return start.every((diffId, index) => whole[index] === diffId);
}
