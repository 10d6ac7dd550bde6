/** The layers of a pulled image: fetched beside each other, unpacked in their order beside that, in parts where that is enough. */
import { mayHaveToc } from '../chunked/open-layout.js';
import { CoracleError } from '../errors.js';
import { GarbageLimit } from '../host/garbage.js';
import { LayerChain } from '../image/layer-chain.js';
import { layerChainIds } from '../image/layer-chain-ids.js';
import type { Stores } from '../image/stores.js';
import { finishUnpack } from '../image/unpack.js';
import type { ChainId, DiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { layerCompression } from '../oci/media-types.js';
import { type BlobOrigin, downloadBlob } from './download.js';
import { layerEventId, type OnTransferEvent } from './events.js';
import type { FetchedImage } from './fetch-image.js';
import { GrowingFile } from './growing-file.js';
import { KnownFiles, rememberLayerFiles } from './known-files.js';
import { runParallel } from './parallel.js';
import { openPartialLayer, type PartialLayer } from './partial-layer.js';
import { originOf, rememberOrigin } from './partial-origin.js';

/** Layers fetched at a time, as Docker's and Podman's clients have it. */
const downloads = 4;

export type LayerContext = { readonly signal: AbortSignal; readonly onEvent: OnTransferEvent };

/** A layer on its way; how it comes is known when its fetching begins. */
type LayerTask = {
  readonly layer: Descriptor;
  readonly diffId: DiffId;
  readonly chainId: ChainId;
  readonly file: GrowingFile;
  readonly way: Way;
};

/** Fetches and unpacks the layers the store lacks. Hold a lease. @throws as `pullImage` does */
export async function fetchLayers(
  stores: Stores,
  origin: BlobOrigin,
  image: FetchedImage,
  context: LayerContext,
): Promise<void> {
  const { signal, onEvent } = context;
  const chain = await LayerChain.open(stores, image.config.rootfs.diff_ids, signal);
  const known = new KnownFiles(stores);
  const layers = layerTasks(image);
  for (const { layer } of layers) {
    onEvent({ kind: 'layer', id: layerEventId(layer.digest), status: 'waiting', total: layer.size });
  }
  let finished = false;
  try {
    const extraction = (ended: AbortSignal): Promise<void> => {
      // layers whose download never begins must not be waited for
      ended.addEventListener('abort', () => {
        const aborted = new CoracleError('ABORTED', 'pull layer: aborted');
        for (const { file, way } of layers) {
          file.fail(aborted);
          way.fail(aborted);
        }
      });
      return extractLayers(chain, layers, onEvent);
    };
    const tasks = layers.map((task) => async (ended: AbortSignal): Promise<void> => {
      await fetchLayer(stores, origin, task, { known, signal: ended, onEvent });
    });
    await runParallel([extraction, ...tasks], { limit: downloads + 1, signal });
    if (signal.aborted) throw new CoracleError('ABORTED', 'pull image: aborted');
    await finishUnpack(chain, image, stores);
    finished = true;
    await rememberLayers(stores, origin, layers);
    for (const { layer } of layers)
      onEvent({ kind: 'layer', id: layerEventId(layer.digest), status: 'done' });
    for (const text of chain.warnings) onEvent({ kind: 'message', text });
  } finally {
    // layers are there all together or not at all: what was fetched of them stays for the next pull
    for (const { way } of layers) await (finished ? way.partial?.discard() : way.partial?.suspend());
    await known.close();
    await chain.abandon();
  }
}

function layerTasks({ manifest, config }: FetchedImage): readonly LayerTask[] {
  const { diff_ids: diffIds } = config.rootfs;
  const chainIds = layerChainIds(diffIds);
  return manifest.layers.map((layer, index): LayerTask => {
    const [diffId, chainId] = [diffIds[index], chainIds[index]];
    if (diffId === undefined || chainId === undefined)
      throw new CoracleError('INTERNAL', `pull layer ${index}: the config has none`);
    return { layer, diffId, chainId, file: new GrowingFile(), way: new Way() };
  });
}

type FetchContext = LayerContext & { readonly known: KnownFiles };

async function fetchLayer(
  stores: Stores,
  origin: BlobOrigin,
  task: LayerTask,
  context: FetchContext,
): Promise<void> {
  const { layer, file, way, chainId } = task;
  const { signal, onEvent } = context;
  const id = layerEventId(layer.digest);
  const { size: total } = layer;
  const stored = stores.content.size(layer.digest) === total;
  const unpacked = stores.snapshots.byChainId(chainId) !== undefined;
  // put together before: it has no blob, and needs none
  if (stored || (unpacked && originOf(stores.paths, layer) !== undefined))
    onEvent({ kind: 'layer', id, status: 'exists', total });
  else onEvent({ kind: 'layer', id, status: 'downloading', current: 0, total });
  if (!stored && unpacked && originOf(stores.paths, layer) !== undefined) return way.whole();
  if (!stored && !unpacked && mayHaveToc(layer) && !context.known.isEmpty) {
    const partial = await tryPartial(stores, origin, task, context);
    if (partial !== undefined) return way.inParts(partial);
  }
  way.whole();
  const onProgress = (current: number): void =>
    onEvent({ kind: 'layer', id, status: 'downloading', current, total });
  await downloadBlob(stores, origin, layer, { signal, file, onProgress });
}

/** A layer in parts; undefined, which is said, where that does not work. */
async function tryPartial(
  stores: Stores,
  origin: BlobOrigin,
  { layer, diffId }: LayerTask,
  { known, signal, onEvent }: FetchContext,
): Promise<PartialLayer | undefined> {
  const id = layerEventId(layer.digest);
  const onProgress = (current: number, total: number): void =>
    onEvent({ kind: 'layer', id, status: 'downloading', current, total });
  try {
    const partial = await openPartialLayer(stores, origin, layer, diffId, { known, signal, onProgress });
    if (partial !== undefined) onEvent({ kind: 'message', text: savedText(id, layer.size, partial.fetched) });
    return partial;
  } catch (error) {
    if (!(error instanceof CoracleError) || error.code === 'ABORTED' || signal.aborted) throw error;
    onEvent({ kind: 'message', text: `layer ${id} is fetched whole: ${error.message}` });
    return undefined;
  }
}

function savedText(id: string, size: number, fetched: number): string {
  return `layer ${id}: ${megabytes(fetched)} of ${megabytes(size)} fetched, the rest is here already`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e6 ? 3 : 1)} MB`;
}

async function extractLayers(
  chain: LayerChain,
  layers: readonly LayerTask[],
  onEvent: OnTransferEvent,
): Promise<void> {
  const garbage = new GarbageLimit();
  for (let index = chain.next; index !== undefined; index = chain.next) {
    const task = layers[index];
    if (task === undefined) throw new CoracleError('INTERNAL', `pull layer ${index}: the manifest has none`);
    const partial = await task.way.chosen();
    if (partial !== undefined) {
      const bytes = partial.tar();
      const { form } = await chain.apply({ bytes, compression: 'none', compare: true });
      task.way.canonical = form === 'canonical';
      continue;
    }
    try {
      await chain.apply({
        bytes: withProgress(task, onEvent, garbage),
        reused: true,
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
  garbage: GarbageLimit,
): AsyncGenerator<Buffer, void> {
  const id = layerEventId(layer.digest);
  let current = 0;
  for await (const chunk of file.read()) {
    current += chunk.length;
    garbage.used(chunk.length);
    if (file.isFinished) onEvent({ kind: 'layer', id, status: 'extracting', current, total: layer.size });
    yield chunk;
  }
}

/** What the next pull may use of these layers, and where those without a blob have theirs. */
async function rememberLayers(
  stores: Stores,
  { client, repository }: BlobOrigin,
  layers: readonly LayerTask[],
): Promise<void> {
  for (const { layer, chainId, way } of layers) {
    if (way.partial !== undefined)
      rememberOrigin(stores.paths, layer, {
        registry: client.registry,
        repository,
        canonical: way.canonical,
      });
    await rememberLayerFiles(stores, layer, chainId, way.partial?.layout);
  }
}

/** Whether a layer comes whole or in parts: decided by who fetches it, waited for by who unpacks it. */
class Way {
  partial: PartialLayer | undefined;
  /** Its files give its tar again. */
  canonical = false;
  readonly #decision: Promise<void>;
  #decide: () => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor() {
    this.#decision = new Promise((resolve, reject) => {
      this.#decide = resolve;
      this.#reject = reject;
    });
    // nobody may be waiting for it
    this.#decision.catch(() => undefined);
  }

  whole(): void {
    this.#decide();
  }

  inParts(partial: PartialLayer): void {
    this.partial = partial;
    this.#decide();
  }

  fail(error: unknown): void {
    this.#reject(error);
  }

  async chosen(): Promise<PartialLayer | undefined> {
    await this.#decision;
    return this.partial;
  }
}
