/**
 * One blob of known digest on its way to a registry: in one piece, going on after a break where the registry says it stands, and in
 * chunks where something on the way takes no large requests.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks
 */
import { CoracleError } from '../errors.js';
import { pushAccess } from './authorizer.js';
import type { BlobDescriptor } from './blobs.js';
import { ByteSource } from './byte-source.js';
import type { RegistryClient } from './client.js';
import { TransientError } from './errors.js';
import { discardBody, type HttpResponse } from './response.js';
import { resolveLocation } from './transport.js';
import { finishUpload, type OpenedUpload, startUpload, withDigest } from './upload-session.js';

/** Chunks are as large as this unless the registry wants larger ones: proxies seldom take less. */
const chunkBytes = 16 * 1024 * 1024;

export type BlobUploadOptions = {
  readonly blob: BlobDescriptor;
  /** Called for each attempt. */
  readonly open: () => AsyncIterable<Uint8Array>;
  readonly action: string;
  /** Milliseconds for the registry to take in what it has. */
  readonly answerTimeout: number;
};

/** Remembers between attempts where the last one got to. */
export class BlobUpload {
  readonly #client: RegistryClient;
  readonly #repository: string;
  readonly #options: BlobUploadOptions;
  /** An upload that may have bytes. */
  #upload: OpenedUpload | undefined;
  /** Bytes of a chunk, once it is known that the blob does not go in one piece. */
  #chunk: number | undefined;

  constructor(client: RegistryClient, repository: string, options: BlobUploadOptions) {
    this.#client = client;
    this.#repository = repository;
    this.#options = options;
  }

  /** Uploads what the registry lacks. @throws TransientError when another attempt may do */
  async attempt(): Promise<void> {
    const { blob, action } = this.#options;
    const offset = await this.#standing();
    if (offset > 0 && this.#upload !== undefined) return this.#inChunks(this.#upload, offset);
    this.#upload = await startUpload(this.#client, this.#repository, action, blob.digest);
    if (this.#chunk === undefined && (await this.#whole(this.#upload))) return;
    this.#upload = await startUpload(this.#client, this.#repository, action, blob.digest);
    this.#chunk = Math.max(chunkBytes, this.#upload.minimumChunk);
    await this.#inChunks(this.#upload, 0);
  }

  /** How many bytes the registry has of an upload that broke off; 0 where it is to begin anew. */
  async #standing(): Promise<number> {
    const upload = this.#upload;
    this.#upload = undefined;
    if (upload === undefined) return 0;
    const { action, blob } = this.#options;
    try {
      const response = await this.#client.requestOnce({
        method: 'GET',
        target: upload.location,
        access: pushAccess(this.#repository),
        accept: [200, 202, 204],
        action,
      });
      discardBody(response);
      const offset = endOf(response) ?? 0;
      if (offset > blob.size) return 0;
      this.#upload = this.#next(upload, response);
      return offset;
    } catch (error) {
      // the registry forgot the upload, or cannot tell
      if (error instanceof CoracleError && error.code !== 'ABORTED') return 0;
      throw error;
    }
  }

  /** All in the last request. False where that is too much for somebody. */
  async #whole({ location }: OpenedUpload): Promise<boolean> {
    const { blob, open, action, answerTimeout } = this.#options;
    const source = new ByteSource(open(), blob.size, action);
    try {
      const response = await this.#client.requestOnce({
        method: 'PUT',
        target: withDigest(location, blob.digest),
        headers: { 'content-type': 'application/octet-stream' },
        body: { length: blob.size, chunks: source.rest() },
        access: pushAccess(this.#repository),
        accept: [201, 204, 413],
        answerTimeout,
        action,
      });
      if (response.status !== 413) finishUpload(response, blob.digest, action);
      else discardBody(response);
      return response.status !== 413;
    } finally {
      await source.close();
    }
  }

  async #inChunks(upload: OpenedUpload, offset: number): Promise<void> {
    const { blob, open, action, answerTimeout } = this.#options;
    const source = new ByteSource(open(), blob.size, action);
    try {
      await source.skip(offset);
      this.#upload = upload;
      for (let at = offset; at < blob.size; ) {
        const length = Math.min(this.#chunk ?? blob.size, blob.size - at);
        this.#upload = await this.#send(this.#upload, source, { at, length });
        at += length;
      }
      await source.finish();
      const response = await this.#client.requestOnce({
        method: 'PUT',
        target: withDigest(this.#upload.location, blob.digest),
        access: pushAccess(this.#repository),
        accept: [201, 204],
        answerTimeout,
        action,
      });
      finishUpload(response, blob.digest, action);
    } finally {
      await source.close();
    }
  }

  async #send(
    upload: OpenedUpload,
    source: ByteSource,
    { at, length }: { readonly at: number; readonly length: number },
  ): Promise<OpenedUpload> {
    const { action, answerTimeout } = this.#options;
    const response = await this.#client.requestOnce({
      method: 'PATCH',
      target: upload.location,
      headers: {
        'content-type': 'application/octet-stream',
        'content-range': `${at}-${at + length - 1}`,
      },
      body: { length, chunks: source.take(length) },
      access: pushAccess(this.#repository),
      accept: [201, 202, 204, 416],
      answerTimeout,
      action,
    });
    discardBody(response);
    const end = endOf(response);
    // it stands elsewhere: asked for where, in another attempt
    if (response.status === 416 || (end !== undefined && end !== at + length)) {
      throw new TransientError('REGISTRY', `${action}: the registry has ${end ?? 'another number of'} bytes`);
    }
    return this.#next(upload, response);
  }

  #next(upload: OpenedUpload, { headers, url }: HttpResponse): OpenedUpload {
    if (headers.location === undefined) return upload;
    return { ...upload, location: resolveLocation(headers.location, url, this.#options.action) };
  }
}

/** Where an upload ends so far; of `0-0`, which is said of nothing and of one byte, nothing is taken. */
function endOf({ headers }: HttpResponse): number | undefined {
  const end = /^(?:bytes=)?0-(\d{1,15})$/.exec(String(headers.range ?? ''))?.[1];
  return end === undefined || end === '0' ? undefined : Number(end) + 1;
}
