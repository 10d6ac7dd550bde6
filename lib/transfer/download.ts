/** One blob from a registry into the content store: resumed, verified, followed by whoever extracts it. */
import { CoracleError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import type { Descriptor } from '../oci/descriptor.js';
import { fetchBlob } from '../registry/blobs.js';
import type { RegistryClient } from '../registry/client.js';
import type { GrowingFile } from './growing-file.js';

/** Where blobs come from. */
export type BlobOrigin = { readonly client: RegistryClient; readonly repository: string };

export type DownloadOptions = {
  readonly signal: AbortSignal;
  /** Told about the file and its end, whatever that is. */
  readonly file?: GrowingFile;
  readonly onProgress?: (bytes: number) => void;
};

/**
 * Fetches a blob unless the store has it. Throws INTEGRITY when the bytes are not what the descriptor says, and
 * keeps nothing of them then; keeps what came so far when the connection fails for good or the signal comes.
 */
export async function downloadBlob(
  stores: Stores,
  origin: BlobOrigin,
  descriptor: Descriptor,
  options: DownloadOptions,
): Promise<void> {
  try {
    await download(stores, origin, descriptor, options);
    options.file?.finish(stores.content.find(descriptor.digest));
  } catch (error) {
    options.file?.fail(error);
    throw error;
  }
}

async function download(
  stores: Stores,
  origin: BlobOrigin,
  descriptor: Descriptor,
  { signal, file, onProgress }: DownloadOptions,
): Promise<void> {
  const { digest, size } = descriptor;
  if (isStored(stores, descriptor)) return;
  const partial = await stores.content.partial(digest, { signal });
  let open = true;
  try {
    if (isStored(stores, descriptor)) return;
    file?.start(partial.path);
    await fetchBlob(origin.client, origin.repository, descriptor, {
      get offset() {
        return partial.offset;
      },
      append: async (chunk) => {
        if (signal.aborted) throw new CoracleError('ABORTED', `fetch blob ${digest}: aborted`);
        await partial.append(chunk);
        file?.grown();
        onProgress?.(partial.offset);
      },
    });
    open = false;
    await partial.commit({ digest, size });
  } catch (error) {
    if (open && isIntegrity(error)) {
      open = false;
      await partial.abandon();
    }
    throw error;
  } finally {
    if (open) await partial.suspend();
  }
}

function isIntegrity(error: unknown): boolean {
  return error instanceof CoracleError && error.code === 'INTEGRITY';
}

/** Whether the whole blob is here; a file of another size is damaged and fetched again. */
function isStored(stores: Stores, { digest, size }: Descriptor): boolean {
  return stores.content.size(digest) === size;
}
