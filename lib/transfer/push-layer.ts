/** One layer to a registry: found there, mounted from a neighbour, uploaded from its blob, or made on the way. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Digest } from '../oci/digest.js';
import { present } from '../oci/guards.js';
import { dockerTypes, isForeignLayer, layerCompression, ociTypes } from '../oci/media-types.js';
import { parseReference } from '../oci/reference.js';
import { hasBlob } from '../registry/blobs.js';
import type { RegistryClient } from '../registry/client.js';
import { mountBlob, uploadBlob, uploadStream } from '../registry/uploads.js';
import {
  type CompressedLayer,
  compressLayer,
  type LayerEncoding,
  rememberedLayer,
} from './compressed-layers.js';
import { layerEventId, type OnTransferEvent } from './events.js';
import { originOf } from './partial-origin.js';
import { type RestoreOptions, restoreBlob } from './restore-blobs.js';

/** Where a push goes. */
export type PushTarget = {
  readonly stores: Stores;
  readonly client: RegistryClient;
  readonly repository: string;
  readonly encoding: LayerEncoding;
  /** For blobs that are to be fetched from elsewhere first. */
  readonly access: NonNullable<RestoreOptions['access']>;
  readonly onEvent: OnTransferEvent;
  /** Manifests of an index that are there. */
  readonly pushed: Digest[];
};

/** Makes the layer available at the registry. Resolves with its descriptor there: another one where it had to be compressed. */
export async function pushLayer(target: PushTarget, image: ImageRecord, index: number): Promise<Descriptor> {
  const layer = image.manifest.layers[index];
  if (layer === undefined) throw new CoracleError('INTERNAL', `push layer ${index}: the manifest has none`);
  const { stores, onEvent } = target;
  const id = layerEventId(layer.digest);
  if (stores.content.size(layer.digest) !== undefined) {
    await pushBlob(target, layer);
    return layer;
  }
  if (await hasBlob(target.client, target.repository, layer)) {
    onEvent({ kind: 'layer', id, status: 'exists' });
    return layer;
  }
  if (isForeignLayer(layer.mediaType)) {
    onEvent({ kind: 'message', text: `layer ${id} is not distributable and not in the store: left out` });
    return layer;
  }
  if (layerCompression(layer.mediaType) === 'none') return pushMade(target, image, index, layer);
  if (await pushInParts(target, layer)) return layer;
  throw new CoracleError(
    'NOT_FOUND',
    `push layer ${layer.digest}: neither the store nor the registry has it`,
    {
      hint: 'pull the image again',
    },
  );
}

/** A layer that was pulled in parts: mounted from where it came from, or fetched from there. False for another one. */
async function pushInParts(target: PushTarget, layer: Descriptor): Promise<boolean> {
  const { stores, client, repository, access, onEvent } = target;
  const origin = originOf(stores.paths, layer);
  if (origin === undefined) return false;
  const id = layerEventId(layer.digest);
  const near = origin.registry === client.registry && origin.repository !== repository;
  if (near && (await mountBlob(client, repository, layer.digest, origin.repository))) {
    onEvent({ kind: 'layer', id, status: 'exists', total: layer.size });
    return true;
  }
  await restoreBlob(stores, layer, { access, onEvent });
  await pushBlob(target, layer);
  return true;
}

/** Uploads a blob of the store unless the registry has it. */
export async function pushBlob(target: PushTarget, blob: Descriptor): Promise<void> {
  const { stores, client, repository, onEvent } = target;
  const id = layerEventId(blob.digest);
  if (await hasBlob(client, repository, blob)) {
    onEvent({ kind: 'layer', id, status: 'exists', total: blob.size });
    return;
  }
  for (const from of neighbours(target, blob)) {
    if (!(await mountBlob(client, repository, blob.digest, from))) continue;
    onEvent({ kind: 'layer', id, status: 'exists', total: blob.size });
    return;
  }
  const open = (): AsyncIterable<Buffer> =>
    counted(stores.content.open(blob.digest), (current) =>
      onEvent({ kind: 'layer', id, status: 'pushing', current, total: blob.size }),
    );
  await uploadBlob(client, repository, blob, open);
  onEvent({ kind: 'layer', id, status: 'pushed', current: blob.size, total: blob.size });
}

/** A layer made here: compressed while it is sent, unless what it compresses to is at the registry already. */
async function pushMade(
  target: PushTarget,
  image: ImageRecord,
  index: number,
  layer: Descriptor,
): Promise<Descriptor> {
  const { stores, client, repository, encoding, onEvent } = target;
  const id = layerEventId(layer.digest);
  const diffId = image.config.rootfs.diff_ids[index];
  const mediaType = compressedType(image, encoding);
  const known = diffId === undefined ? undefined : rememberedLayer(stores.paths, diffId, encoding);
  if (known !== undefined && (await hasBlob(client, repository, known))) {
    onEvent({ kind: 'layer', id, status: 'exists', total: known.size });
    return { mediaType, ...known };
  }
  let annotations: CompressedLayer['annotations'];
  const made = await uploadStream(client, repository, () => {
    const stream = compressLayer(stores, image, index, encoding);
    const chunks = counted(stream.chunks, (current) =>
      onEvent({ kind: 'layer', id, status: 'pushing', current }),
    );
    const finish = (): CompressedLayer => {
      const layer = stream.finish();
      annotations = layer.annotations;
      return layer;
    };
    return { chunks, finish };
  });
  onEvent({ kind: 'layer', id, status: 'pushed', current: made.size, total: made.size });
  const { digest, size } = made;
  return { mediaType, digest, size, ...present('annotations', annotations) };
}

/** Other repositories of the registry that an image with this layer has a name in; at most three are asked. */
function neighbours({ stores, client, repository }: PushTarget, { digest }: Descriptor): readonly string[] {
  const found = new Set<string>();
  for (const { reference, descriptor } of stores.images.entries()) {
    const isImage = descriptor.artifactType === undefined;
    if (reference === undefined || found.size === 3 || !isImage) continue;
    const parsed = parseReference(reference);
    if (parsed.registry !== client.registry || parsed.repository === repository) continue;
    const layers = stores.images.find(reference)?.manifest.layers ?? [];
    if (layers.some((layer) => layer.digest === digest)) found.add(parsed.repository);
  }
  return [...found];
}

function compressedType(image: ImageRecord, { kind }: LayerEncoding): string {
  const types = image.manifest.mediaType === dockerTypes.manifest ? dockerTypes : ociTypes;
  const zstd = types.layerZstd;
  return { gzip: types.layerGzip, zstd, 'zstd:chunked': zstd, none: types.layer }[kind];
}

async function* counted(
  source: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer, void> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    onBytes(bytes);
    yield chunk;
  }
}
