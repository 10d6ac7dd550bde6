/** Unpacking an image of the store: a snapshot per layer, each once per chainID. */
import { CoracleError } from '../errors.js';
import { layerCompression } from '../oci/media-types.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { isOwn } from '../snapshot/shared-layers.js';
import type { ImageRecord } from './image-record.js';
import { LayerChain } from './layer-chain.js';
import type { Stores } from './stores.js';

export type UnpackOptions = {
  /** Told of each layer's uncompressed bytes so far. */
  readonly onProgress?: (layer: number, bytes: number) => void;
  /** Told what could not be kept, such as device nodes. */
  readonly onWarning?: (text: string) => void;
  readonly signal?: AbortSignal;
};

/**
 * Makes the snapshots an image still lacks and remembers its uppermost one. An image without layers gets an
 * empty snapshot.
 * @throws NOT_FOUND when a layer's blob is missing, INTEGRITY when a layer is not what the config says.
 */
export async function unpackImage(
  record: ImageRecord,
  stores: Stores,
  options: UnpackOptions = {},
): Promise<SnapshotRecord> {
  const known = stores.images.topSnapshot(record);
  if (known !== undefined) return known;
  const chain = await LayerChain.open(stores, record.config.rootfs.diff_ids, options.signal);
  try {
    for (let index = chain.next; index !== undefined; index = chain.next) {
      await applyBlob(index, record, stores, { chain, options });
    }
    return await finishUnpack(chain, record, stores);
  } finally {
    for (const warning of chain.warnings) options.onWarning?.(warning);
    await chain.abandon();
  }
}

/** Commits a chain all of whose layers were applied, and remembers the image's uppermost snapshot. */
export async function finishUnpack(
  chain: LayerChain,
  image: Pick<ImageRecord, 'configDigest'>,
  stores: Stores,
): Promise<SnapshotRecord> {
  const top = (await chain.finish()) ?? stores.snapshots.commit(stores.snapshots.prepare());
  stores.snapshots.setTopOfImage(image.configDigest, top.id);
  return top;
}

async function applyBlob(
  index: number,
  record: ImageRecord,
  stores: Stores,
  { chain, options }: { readonly chain: LayerChain; readonly options: UnpackOptions },
): Promise<void> {
  const layer = record.manifest.layers[index];
  if (layer === undefined)
    throw new CoracleError('INVALID', `unpack ${record.id}: the manifest has no layer ${index}`);
  if (!stores.content.has(layer.digest)) refuseForeign(stores, layer.digest);
  const { onProgress } = options;
  await chain.apply({
    bytes: stores.content.open(layer.digest),
    compression: layerCompression(layer.mediaType),
    ...(onProgress === undefined ? {} : { onProgress: (bytes: number) => onProgress(index, bytes) }),
  });
}

/** A layer that was built in a store of another user is there as that user's files alone. @throws NOT_FOUND */
function refuseForeign({ paths }: Stores, digest: string): void {
  const foreign = paths.additional.filter((store) => !isOwn(store)).map(({ root }) => root);
  if (foreign.length === 0) return;
  throw new CoracleError('NOT_FOUND', `unpack layer ${digest}: no blob of it is in ${foreign.join(', ')}`, {
    hint: 'it was built there, in files that containers of another user cannot use: its owner makes blobs by coracle copy IMAGE oci:DIRECTORY:NAME, and DIRECTORY can be shared',
  });
}
