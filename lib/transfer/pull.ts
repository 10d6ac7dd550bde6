/** Pulling: from a registry's image to blobs, snapshots and a name in the store. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import { LayerChain } from '../image/layer-chain.js';
import type { Stores } from '../image/stores.js';
import { finishUnpack } from '../image/unpack.js';
import { writeEvent } from '../native/journal.js';
import type { Descriptor } from '../oci/descriptor.js';
import { digestHex } from '../oci/digest.js';
import { layerCompression } from '../oci/media-types.js';
import { formatPlatform, hostPlatform, matchesPlatform, type Platform } from '../oci/platform.js';
import { formatReference, parseReference } from '../oci/reference.js';
import { type BlobOrigin, downloadBlob } from './download.js';
import { ignoreEvents, layerEventId, type OnTransferEvent } from './events.js';
import { type FetchedImage, fetchImage } from './fetch-image.js';
import { GrowingFile } from './growing-file.js';
import { runParallel } from './parallel.js';
import { openImage, type RegistryAccess } from './registry-access.js';
import { openRegistryGate } from './trust.js';

/** When to ask the registry: always; unless the store has the name; always, but be content with what is here when that fails; never. */
export type PullPolicy = 'always' | 'missing' | 'newer' | 'never';

export type PullOptions = RegistryAccess & {
  readonly platform?: Platform;
  /** `always` unless said otherwise. */
  readonly policy?: PullPolicy;
};

/** Layers fetched at a time, as Docker's and Podman's clients have it. */
const downloads = 4;

/**
 * Makes the image available under its reference and unpacked. Layers that are here already, as blobs or
 * snapshots, are not fetched or unpacked again; extraction of a layer begins while it still comes.
 * @throws NOT_FOUND, INTEGRITY (nothing of the bad layer stays), NETWORK and ABORTED (partial layers stay for the
 * next attempt), UNAUTHORIZED, FORBIDDEN where a policy says so, UNSUPPORTED for what is no image.
 */
export async function pullImage(
  stores: Stores,
  text: string,
  options: PullOptions = {},
  onEvent: OnTransferEvent = ignoreEvents,
): Promise<ImageRecord> {
  const reference = parseReference(text);
  const name = formatReference(reference);
  const { policy = 'always' } = options;
  const platform = options.platform === undefined ? {} : { platform: options.platform };
  if (policy === 'never') return stores.images.resolve(name, platform);
  const present = policy === 'always' ? undefined : stores.images.find(name, platform);
  if (policy === 'missing' && present !== undefined) return present;
  try {
    await pull(stores, name, options, onEvent);
  } catch (error) {
    if (present === undefined || !(error instanceof CoracleError) || error.code !== 'NETWORK') throw error;
    onEvent({ kind: 'message', text: `${error.message}; using the image in the store` });
  }
  return stores.images.resolve(name, platform);
}

async function pull(
  stores: Stores,
  name: string,
  options: PullOptions,
  onEvent: OnTransferEvent,
): Promise<void> {
  const reference = parseReference(name);
  const gate = await openRegistryGate(reference, options);
  const { root, ...origin } = await openImage(reference, options, onEvent);
  const signal = options.signal ?? new AbortController().signal;
  const lease = stores.staging.lease();
  try {
    const image = await fetchImage(stores, origin, reference, {
      root,
      approve: (digests) => gate(digests, origin.client, origin.repository),
      platform: options.platform,
      signal,
    });
    warnOfForeignPlatform(image, options, onEvent);
    await fetchLayers(stores, origin, image, { signal, onEvent });
    stores.images.setTag(name, image.descriptor, image.configDigest);
    writeEvent(stores.paths, 'image', 'pull', { id: digestHex(image.configDigest), name });
  } finally {
    lease.release();
    await origin.client.close();
  }
}

/** An image whose platform is not this machine's is kept, but the user should hear of it. */
function warnOfForeignPlatform(
  { config }: FetchedImage,
  options: PullOptions,
  onEvent: OnTransferEvent,
): void {
  if (options.platform !== undefined || matchesPlatform(config, hostPlatform())) return;
  const text = `the image is for ${formatPlatform(config)}, this machine is ${formatPlatform(hostPlatform())}`;
  onEvent({ kind: 'message', text });
}

type LayerTask = { readonly layer: Descriptor; readonly file: GrowingFile };
type LayerContext = { readonly signal: AbortSignal; readonly onEvent: OnTransferEvent };

/** Downloads beside each other; extraction in the layers' order beside that, following the file of each. */
async function fetchLayers(
  stores: Stores,
  origin: BlobOrigin,
  image: FetchedImage,
  { signal, onEvent }: LayerContext,
): Promise<void> {
  const chain = await LayerChain.open(stores, image.config.rootfs.diff_ids, signal);
  const layers = image.manifest.layers.map((layer): LayerTask => ({ layer, file: new GrowingFile() }));
  for (const { layer } of layers) {
    onEvent({ kind: 'layer', id: layerEventId(layer.digest), status: 'waiting', total: layer.size });
  }
  try {
    const extraction = (ended: AbortSignal): Promise<void> => {
      // layers whose download never begins must not be waited for
      ended.addEventListener('abort', () => {
        for (const { file } of layers) file.fail(new CoracleError('ABORTED', 'pull layer: aborted'));
      });
      return extractLayers(chain, layers, onEvent);
    };
    const tasks = layers.map(
      (task) => (ended: AbortSignal) => fetchLayer(stores, origin, task, { signal: ended, onEvent }),
    );
    await runParallel([extraction, ...tasks], { limit: downloads + 1, signal });
    if (signal.aborted) throw new CoracleError('ABORTED', 'pull image: aborted');
    await finishUnpack(chain, image, stores);
    for (const { layer } of layers)
      onEvent({ kind: 'layer', id: layerEventId(layer.digest), status: 'done' });
    for (const text of chain.warnings) onEvent({ kind: 'message', text });
  } finally {
    await chain.abandon();
  }
}

async function fetchLayer(
  stores: Stores,
  origin: BlobOrigin,
  { layer, file }: LayerTask,
  { signal, onEvent }: LayerContext,
): Promise<void> {
  const id = layerEventId(layer.digest);
  const { size: total } = layer;
  if (stores.content.size(layer.digest) === total) onEvent({ kind: 'layer', id, status: 'exists', total });
  else onEvent({ kind: 'layer', id, status: 'downloading', current: 0, total });
  const onProgress = (current: number): void =>
    onEvent({ kind: 'layer', id, status: 'downloading', current, total });
  await downloadBlob(stores, origin, layer, { signal, file, onProgress });
}

async function extractLayers(
  chain: LayerChain,
  layers: readonly LayerTask[],
  onEvent: OnTransferEvent,
): Promise<void> {
  for (let index = chain.next; index !== undefined; index = chain.next) {
    const task = layers[index];
    if (task === undefined) throw new CoracleError('INTERNAL', `pull layer ${index}: the manifest has none`);
    try {
      await chain.apply({
        bytes: withProgress(task, onEvent),
        compression: layerCompression(task.layer.mediaType),
      });
    } catch (error) {
      // bad bytes are the download's to report, which then also throws them away
      await task.file.settled();
      throw error;
    }
  }
}

async function* withProgress(
  { layer, file }: LayerTask,
  onEvent: OnTransferEvent,
): AsyncGenerator<Buffer, void> {
  const id = layerEventId(layer.digest);
  let current = 0;
  for await (const chunk of file.read()) {
    current += chunk.length;
    if (file.isFinished) onEvent({ kind: 'layer', id, status: 'extracting', current, total: layer.size });
    yield chunk;
  }
}
