/** What people ask about images of the store. */
import { type HistoryLine, imageHistory, layerSizes } from '../image/image-history.js';
import type { ImageRecord } from '../image/image-record.js';
import { LayerReader } from '../image/layer-reader.js';
import { type LayeredImage, type LayerNode, layerLine, layerWithAbove } from '../image/layer-tree.js';
import { shortName } from '../image/look-up.js';
import { openInStore } from '../image/stores.js';
import { unpackImage } from '../image/unpack.js';
import { type Change, layerChanges } from '../layer/layer-changes.js';
import { treeChanges } from '../layer/tree-changes.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { storedImage } from './image-source.js';
import type { AllStores, Session } from './session.js';

/** How an image came about. */
export async function history(
  session: Session,
  name: string,
  platformText?: string,
): Promise<{
  readonly id: string;
  readonly names: readonly string[];
  readonly lines: readonly HistoryLine[];
}> {
  const stores = await session.stores();
  const platform = await session.platform(platformText);
  const image = storedImage(stores, name, platform === undefined ? undefined : { platform });
  return { id: image.id, names: image.references.map(shortName), lines: imageHistory(image, stores) };
}

/** An image's layers, the lowest first; with `above` its uppermost one and those that others have above it. */
export type ImageLayers = {
  readonly id: string;
  readonly names: readonly string[];
  readonly size: number;
  readonly layers: readonly LayerNode[];
};

/** The layers of an image. */
export async function imageLayers(session: Session, name: string, above: boolean): Promise<ImageLayers> {
  const stores = await session.allStores();
  const image = storedImage(stores, name);
  const summaries = stores.images.list();
  const others = summaries.flatMap(({ id, names }) => {
    const other = stores.images.find(id, { nearest: true });
    return other === undefined ? [] : [layered(stores, other, names)];
  });
  const own = layered(stores, image, image.references.map(shortName));
  const layers = above ? layerWithAbove(own, others) : layerLine(own, others);
  const size = summaries.find(({ id }) => id === image.id)?.size ?? 0;
  return { id: image.id, names: image.references.map(shortName), size, layers };
}

function layered(stores: AllStores, image: ImageRecord, names: readonly string[]): LayeredImage {
  return {
    names: names.length === 0 ? [image.id.slice(0, 12)] : names,
    diffIds: image.config.rootfs.diff_ids,
    sizes: layerSizes(image, stores).map(({ size }) => size),
  };
}

/** What the uppermost layer of an image changes of those below it; with `base`, what differs from that image. */
export async function imageChanges(
  session: Session,
  name: string,
  base: string | undefined,
): Promise<readonly Change[]> {
  const stores = await session.allStores();
  const top = await unpackImage(storedImage(stores, name), stores);
  if (base !== undefined) {
    return compareTrees(stores, top, await unpackImage(storedImage(stores, base), stores));
  }
  const reader = new LayerReader(stores);
  try {
    return await layerChanges(await reader.source(top));
  } finally {
    await reader.close();
  }
}

async function compareTrees(
  stores: AllStores,
  top: SnapshotRecord,
  base: SnapshotRecord,
): Promise<readonly Change[]> {
  const agent = await stores.ownAgent();
  try {
    const open = async (record: SnapshotRecord): Promise<number> => {
      const paths = stores.snapshots.layerPaths(record);
      return agent.stack(await Promise.all(paths.map((path) => openInStore(agent, stores.paths, path))));
    };
    return await treeChanges(agent, await open(base), await open(top));
  } finally {
    await agent.close();
  }
}
