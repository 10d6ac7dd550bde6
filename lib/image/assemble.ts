/**
 * From snapshots to an image: diffIDs measured where nobody needed them before, config and manifest written.
 *
 * A layer made here is described uncompressed (its digest is its diffID) and has no blob yet: push and save
 * make it from the snapshot and check it against the diffID.
 */

import { measureLayer } from '../layer/diff.js';
import type { ChainId, DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestHex } from '../oci/digest.js';
import { type ImageConfig, serializeImageConfig } from '../oci/image-config.js';
import { type ImageManifest, serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import type { SnapshotId, SnapshotRecord } from '../snapshot/record.js';
import { missingSnapshot } from '../snapshot/snapshot-store.js';
import type { ImageRecord } from './image-record.js';
import { layerChainIds } from './layer-chain-ids.js';
import { LayerReader } from './layer-reader.js';
import { layerType } from './reform.js';
import type { Stores } from './stores.js';

export type AssembleInput = {
  /** All but the layers' digests, which are found here. `created` and `history` are the caller's. */
  readonly config: Omit<ImageConfig, 'rootfs'>;
  /** The uppermost snapshot; undefined for an image without layers. */
  readonly top?: SnapshotRecord;
  /** The image it was built on: its layers keep their descriptors, so that a push finds them at the registry. */
  readonly base?: ImageRecord;
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
  /**
   * Times of files later than this, in seconds, are written as this (SOURCE_DATE_EPOCH). A layer measured
   * before keeps its digest: a builder's cache keys hold the value.
   */
  readonly clampMtime?: number;
};

/**
 * Stores an image made of snapshots. It has no name yet: hold a staging lease until `images.tag` or
 * `images.add` refers to it.
 */
export async function assembleImage(input: AssembleInput, stores: Stores): Promise<ImageRecord> {
  const lease = stores.staging.lease();
  try {
    const layers = await describeLayers(input, stores);
    const config: ImageConfig = {
      ...input.config,
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    };
    const record = await storeImage(
      config,
      layers.map(({ descriptor }) => descriptor),
      input,
      stores,
    );
    if (input.top !== undefined) stores.snapshots.setTopOfImage(record.configDigest, input.top.id);
    return record;
  } finally {
    lease.release();
  }
}

async function storeImage(
  config: ImageConfig,
  layers: readonly Descriptor[],
  input: AssembleInput,
  stores: Stores,
): Promise<ImageRecord> {
  const configBlob = await stores.content.put(Buffer.from(serializeImageConfig(config)));
  const manifest: ImageManifest = {
    kind: 'manifest',
    mediaType: ociTypes.manifest,
    config: { mediaType: ociTypes.config, ...configBlob },
    layers,
    ...(input.annotations === undefined ? {} : { annotations: input.annotations }),
  };
  const manifestBlob = await stores.content.put(Buffer.from(serializeManifest(manifest)));
  const descriptor: Descriptor = { mediaType: ociTypes.manifest, ...manifestBlob };
  return {
    id: digestHex(configBlob.digest),
    references: [],
    descriptor,
    manifest,
    manifestDescriptor: descriptor,
    config,
    configDigest: configBlob.digest,
  };
}

type DescribedLayer = { readonly diffId: DiffId; readonly descriptor: Descriptor };

async function describeLayers(input: AssembleInput, stores: Stores): Promise<readonly DescribedLayer[]> {
  const ids = [...(input.top?.lowers ?? [])].reverse();
  const measured = await measureMissing(ids, input, stores);
  const base = input.base?.manifest.layers ?? [];
  const baseIds = input.base?.config.rootfs.diff_ids ?? [];
  return measured.map(({ diffId, size }, index) => {
    const inherited = baseIds[index] === diffId ? base[index] : undefined;
    const made = { mediaType: ociTypes.layer, digest: diffId, size };
    return {
      diffId,
      descriptor:
        inherited === undefined ? made : { ...inherited, mediaType: layerType(inherited.mediaType, false) },
    };
  });
}

/** Reads each layer nobody measured once, lowest first, and adds what was found to the records. */
async function measureMissing(
  ids: readonly SnapshotId[],
  input: AssembleInput,
  stores: Stores,
): Promise<readonly MeasuredLayer[]> {
  const reader = new LayerReader(stores);
  try {
    const layers: MeasuredLayer[] = [];
    for (const id of ids) layers.push(await measure(id, input, { stores, reader }));
    const chain = layerChainIds(layers.map(({ diffId }) => diffId));
    for (const [index, layer] of layers.entries()) remember(layer, chain[index], stores);
    return layers;
  } finally {
    await reader.close();
  }
}

type MeasuredLayer = {
  readonly record: SnapshotRecord;
  readonly diffId: DiffId;
  readonly size: number;
  readonly clampMtime?: number;
};

async function measure(
  id: SnapshotId,
  input: AssembleInput,
  { stores, reader }: { readonly stores: Stores; readonly reader: LayerReader },
): Promise<MeasuredLayer> {
  const record = stores.snapshots.get(id);
  if (record === undefined) throw missingSnapshot(id);
  const { diffId, size } = record;
  if (diffId !== undefined && size !== undefined) return { record, diffId, size };
  const clamp = input.clampMtime === undefined ? {} : { clampMtime: input.clampMtime };
  return { record, ...(await measureLayer(await reader.source(record), clamp)), ...clamp };
}

function remember({ record, ...facts }: MeasuredLayer, chainId: ChainId | undefined, stores: Stores): void {
  if (record.chainId !== undefined && record.diffId === facts.diffId) return;
  stores.snapshots.describe(record.id, { ...facts, ...(chainId === undefined ? {} : { chainId }) });
}
