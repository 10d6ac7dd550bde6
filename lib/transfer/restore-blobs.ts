/** Fetches the blobs of layers that were put together from files of the store, when something needs them as they are. */
import { CoracleError } from '../errors.js';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { downloadBlob } from './download.js';
import { ignoreEvents, layerEventId, type OnTransferEvent } from './events.js';
import { originOf } from './partial-origin.js';
import { openRegistry, type RegistryAccess } from './registry-access.js';

export type RestoreOptions = {
  /** How to reach the registry it came from: nothing that was said of another one. */
  readonly access?: Pick<RegistryAccess, 'signal' | 'env' | 'retry' | 'retryDelay' | 'authfile'>;
  readonly onEvent?: OnTransferEvent;
};

/** Fetches a blob from where its layer came from. False where that is not known. Hold a lease. @throws as downloads do */
export async function restoreBlob(
  stores: Stores,
  layer: Descriptor,
  { access = {}, onEvent = ignoreEvents }: RestoreOptions = {},
): Promise<boolean> {
  const origin = originOf(stores.paths, layer);
  if (origin === undefined) return false;
  const { registry, repository } = origin;
  const id = layerEventId(layer.digest);
  const { size: total } = layer;
  const client = await openRegistry(`${registry}/${repository}`, access, onEvent);
  try {
    const signal = access.signal ?? new AbortController().signal;
    const onProgress = (current: number): void =>
      onEvent({ kind: 'layer', id, status: 'downloading', current, total });
    await downloadBlob(stores, { client, repository }, layer, { signal, onProgress });
    return true;
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    const text = `restore layer ${id}: it was pulled in parts, and ${registry}/${repository} does not give the whole`;
    throw new CoracleError(error.code, `${text}: ${error.message}`, {
      cause: error,
      hint: 'pull the image again from a registry that has it',
    });
  } finally {
    await client.close();
  }
}

/** The same for all of an image's layers; with `plain`, only where the files do not give the layer's tar again. */
export async function restoreImage(
  stores: Stores,
  { manifest }: ImageRecord,
  { plain = false, ...options }: RestoreOptions & { readonly plain?: boolean } = {},
): Promise<void> {
  for (const layer of manifest.layers) {
    const origin = stores.content.has(layer.digest) ? undefined : originOf(stores.paths, layer);
    if (origin === undefined || (plain && origin.canonical)) continue;
    await restoreBlob(stores, layer, options);
  }
}
