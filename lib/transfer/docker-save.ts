/** Writing docker-archive: uncompressed layers named by diffID, each once, then configs, manifest.json and repositories. */
import { giveBack } from '../host/lent.js';
import type { ImageRecord } from '../image/image-record.js';
import { layerSnapshot, readLayerTar } from '../image/layer-reader.js';
import type { Stores } from '../image/stores.js';
import { decompress } from '../layer/compression.js';
import type { DiffId } from '../oci/chain-id.js';
import { digestHex } from '../oci/digest.js';
import { imageConfigLimit } from '../oci/image-config.js';
import { layerCompression } from '../oci/media-types.js';
import { parseReference, repositoryName } from '../oci/reference.js';
import { type ArchiveEntry, fileEntry, textEntry } from './archive-entries.js';

/** An image and the full references it is saved under. */
export type SavedImage = { readonly image: ImageRecord; readonly references: readonly string[] };

/** The archive's entries. */
export async function* dockerArchiveEntries(
  stores: Stores,
  images: readonly SavedImage[],
): AsyncGenerator<ArchiveEntry, void> {
  const written = new Set<DiffId>();
  for (const { image } of images) {
    for (const [index, diffId] of image.config.rootfs.diff_ids.entries()) {
      if (written.has(diffId)) continue;
      written.add(diffId);
      const size = await layerSize(stores, image, index);
      yield fileEntry(layerName(diffId), size, () => openLayer(stores, image, index));
    }
  }
  for (const { image } of images) {
    yield textEntry(`${image.id}.json`, await stores.content.read(image.configDigest, imageConfigLimit));
  }
  const items = images.map(({ image: { id, config }, references }) => {
    return { id, diffIds: config.rootfs.diff_ids, references };
  });
  yield* archiveIndex(items);
}

/** An image of an archive by what its files are named. */
export type ArchivedImage = {
  readonly id: string;
  readonly diffIds: readonly DiffId[];
  readonly references: readonly string[];
};

/** manifest.json and repositories. */
export function archiveIndex(images: readonly ArchivedImage[]): readonly ArchiveEntry[] {
  return [
    textEntry('manifest.json', `${JSON.stringify(images.map(manifestItem))}\n`),
    textEntry('repositories', `${JSON.stringify(repositories(images))}\n`),
  ];
}

function manifestItem({ id, diffIds, references }: ArchivedImage): unknown {
  return { Config: `${id}.json`, RepoTags: references, Layers: diffIds.map(layerName) };
}

function repositories(images: readonly ArchivedImage[]): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  for (const { diffIds, references } of images) {
    const top = diffIds.at(-1);
    for (const reference of references) {
      const parsed = parseReference(reference);
      if (parsed.tag === undefined || top === undefined) continue;
      const repository = repositoryName(parsed);
      found[repository] = { ...found[repository], [parsed.tag]: digestHex(top) };
    }
  }
  return found;
}

/** Where a layer lies in the archive. */
export function layerName(diffId: DiffId): string {
  return `${digestHex(diffId)}.tar`;
}

async function layerSize(stores: Stores, image: ImageRecord, index: number): Promise<number> {
  const layer = image.manifest.layers[index];
  if (layer !== undefined && layerCompression(layer.mediaType) === 'none') return layer.size;
  if (stores.images.topSnapshot(image) !== undefined) {
    const { size } = layerSnapshot(image, index, stores);
    if (size !== undefined) return size;
  }
  let size = 0;
  for await (const chunk of openLayer(stores, image, index)) {
    size += chunk.length;
    giveBack(chunk);
  }
  return size;
}

/** The layer's tar, from its blob or from its snapshot; verified either way. */
function openLayer(stores: Stores, image: ImageRecord, index: number): AsyncIterable<Buffer> {
  const layer = image.manifest.layers[index];
  if (layer === undefined || !stores.content.has(layer.digest))
    return readLayerTar(image, index, stores, { lend: true });
  return decompress(stores.content.open(layer.digest), layerCompression(layer.mediaType));
}
