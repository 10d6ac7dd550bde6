/** How an image came about: its config's history, joined with the layers that the steps left. */
import type { Digest } from '../oci/digest.js';
import type { HistoryEntry } from '../oci/image-config.js';
import type { ImageRecord } from './image-record.js';
import type { Stores } from './stores.js';

/** A step, or a layer that no step tells of. */
export type HistoryLine = {
  /** RFC 3339; empty where nothing is said. */
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly author: string;
  /** Bytes of its layer, uncompressed where that is known; 0 without a layer. */
  readonly size: number;
  /** The layer's digest in the manifest. */
  readonly layer?: Digest;
};

/** What is known of a layer. */
export type LayerSize = { readonly digest: Digest; readonly size: number };

/** The newest step first. */
export function imageHistory(
  image: ImageRecord,
  stores: Pick<Stores, 'images' | 'snapshots'>,
): HistoryLine[] {
  return joinHistory(image.config.history ?? [], layerSizes(image, stores));
}

/** What is known of each layer, the lowest first. */
export function layerSizes(
  image: ImageRecord,
  stores: Pick<Stores, 'images' | 'snapshots'>,
): readonly LayerSize[] {
  const lowers = [...(stores.images.topSnapshot(image)?.lowers ?? [])].reverse();
  const unpacked = lowers.length === image.manifest.layers.length ? lowers : [];
  return image.manifest.layers.map(({ digest, size }, index): LayerSize => {
    const id = unpacked[index];
    return { digest, size: (id === undefined ? undefined : stores.snapshots.get(id)?.size) ?? size };
  });
}

/**
 * Joins steps, the first first, with layers, the lowest first. Configs may tell of fewer or more steps than there are
 * layers: a step without a layer left has none, a layer that is left gets a line of its own.
 */
export function joinHistory(steps: readonly HistoryEntry[], layers: readonly LayerSize[]): HistoryLine[] {
  const rest = [...layers];
  const lines = steps.map((step) => lineOf(step, step.empty_layer === true ? undefined : rest.shift()));
  return [...lines, ...rest.map((layer) => lineOf({}, layer))].reverse();
}

function lineOf(step: HistoryEntry, layer: LayerSize | undefined): HistoryLine {
  return {
    created: step.created ?? '',
    createdBy: step.created_by ?? '',
    comment: step.comment ?? '',
    author: step.author ?? '',
    size: layer?.size ?? 0,
    ...(layer === undefined ? {} : { layer: layer.digest }),
  };
}
