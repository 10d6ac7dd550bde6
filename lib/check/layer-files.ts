/** The files of layers: measured, compared with the tar they came of, and made again of it under the same id. */
import { CoracleError } from '../errors.js';
import { LayerReader } from '../image/layer-reader.js';
import { openInStore, type Stores } from '../image/stores.js';
import { applyLayer } from '../layer/apply.js';
import { decompress } from '../layer/compression.js';
import { measureLayer } from '../layer/diff.js';
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import type { Digest } from '../oci/digest.js';
import { layerCompression } from '../oci/media-types.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { ActiveSnapshot } from '../snapshot/snapshot-store.js';
import type { LayerPlace } from './layer-places.js';

/** The diffID that the files of a layer give. */
export async function measureFiles(stores: Stores, record: SnapshotRecord): Promise<DiffId> {
  const reader = new LayerReader(stores);
  try {
    const { clampMtime } = record;
    const options = clampMtime === undefined ? {} : { clampMtime };
    return (await measureLayer(await reader.source(record), options)).diffId;
  } finally {
    await reader.close();
  }
}

/** Whether the files of some layer give the bytes of this digest. */
export async function filesGive(stores: Stores, digest: Digest): Promise<boolean> {
  const records = stores.snapshots.ids().flatMap((id) => readable(stores, id) ?? []);
  for (const record of records.filter(({ diffId }) => diffId === digest)) {
    try {
      if ((await measureFiles(stores, record)) === digest) return true;
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
    }
  }
  return false;
}

/** A record that makes sense; undefined for one that is damaged or gone. */
export function readable(
  stores: Pick<Stores, 'snapshots'>,
  id: SnapshotRecord['id'],
): SnapshotRecord | undefined {
  try {
    return stores.snapshots.get(id);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
    throw error;
  }
}

/** Where the layer's tar is: the blob as pulled, or its uncompressed tar. */
export function tarOf(
  stores: Stores,
  place: LayerPlace,
): { readonly digest: Digest; readonly plain: boolean } | undefined {
  const { layer, diffId } = place;
  if (stores.content.has(layer.digest)) return { digest: layer.digest, plain: false };
  return stores.content.has(diffId) ? { digest: diffId, plain: true } : undefined;
}

/**
 * Unpacks a layer's blob once more, above `parent`, beside what is there.
 * @throws INTEGRITY when the blob is damaged too. The caller discards what it gets.
 */
export async function unpackAgain(stores: Stores, place: LayerPlace): Promise<ActiveSnapshot> {
  const tar = tarOf(stores, place);
  if (tar === undefined)
    throw new CoracleError('NOT_FOUND', `unpack layer ${place.diffId}: its blob is not here`);
  const compression = tar.plain ? 'none' : layerCompression(place.layer.mediaType);
  const active = stores.snapshots.prepare(place.parent);
  const agent = await stores.ownAgent();
  try {
    const below = place.parent === undefined ? [] : stores.snapshots.layerPaths(place.parent);
    const handles = [await openInStore(agent, stores.paths, active.fs, { writable: true })];
    for (const path of below) handles.push(await openInStore(agent, stores.paths, path));
    const handle = await agent.stack(handles, { writable: true });
    const bytes = decompress(stores.content.open(tar.digest), compression);
    const { diffId } = await applyLayer(bytes, { agent, handle, idMap: stores.idMap() });
    await agent.sync();
    if (diffId === place.diffId) return active;
    throw new CoracleError('INTEGRITY', `unpack layer ${place.diffId}: its blob has diffID ${diffId}`);
  } catch (error) {
    await stores.snapshots.discard(active, stores.removeTree);
    throw error;
  } finally {
    await agent.close();
  }
}

/** The diffID that a layer's files would give if they were just unpacked; another one than the tar's where another tool made that. */
export async function measureAgain(stores: Stores, place: LayerPlace): Promise<DiffId> {
  const active = await unpackAgain(stores, place);
  const agent = await stores.ownAgent();
  try {
    const layer = await openInStore(agent, stores.paths, active.fs);
    const lowers = place.parent === undefined ? [] : stores.snapshots.layerPaths(place.parent);
    const below = [];
    for (const path of lowers) below.push(await openInStore(agent, stores.paths, path));
    const lower = below.length === 0 ? undefined : await agent.stack(below);
    const { diffId } = await measureLayer({ agent, layer, lower });
    return parseDiffId(diffId, 'diffID');
  } finally {
    await agent.close();
    await stores.snapshots.discard(active, stores.removeTree);
  }
}

/** Gives a snapshot the files of its blob, under the same id, so that containers on it find them. */
export async function rebuildLayer(stores: Stores, place: LayerPlace): Promise<void> {
  const active = await unpackAgain(stores, place);
  const { chainId, diffId } = place;
  const trash = stores.snapshots.replace(place.id, active, { chainId, diffId });
  for (const path of trash) await stores.removeTree(path);
}
