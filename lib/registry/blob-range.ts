/** Parts of a blob, each by a request of its own. */
import { CoracleError } from '../errors.js';
import { pullAccess } from './authorizer.js';
import type { BlobDescriptor } from './blobs.js';
import type { RegistryClient } from './client.js';
import { TransientError } from './errors.js';
import { bodyChunks, discardBody, type HttpResponse } from './response.js';
import { beforeRetry } from './retry.js';

/** A part of a blob, `end` excluded. */
export type BlobRange = { readonly start: number; readonly end: number };

/**
 * The bytes of a range, going on at their place after a break. They are not verified.
 * @throws UNSUPPORTED where the server knows no ranges.
 */
export async function* readBlobRange(
  client: RegistryClient,
  repository: string,
  blob: BlobDescriptor,
  { start, end }: BlobRange,
): AsyncGenerator<Buffer, void> {
  const { retryPolicy: policy, signal, onRetry } = client;
  const action = `fetch a part of blob ${blob.digest}`;
  let attempt = 1;
  for (let position = start; position < end; ) {
    const before = position;
    try {
      const response = await client.requestOnce({
        method: 'GET',
        target: `${repository}/blobs/${blob.digest}`,
        headers: { range: `bytes=${position}-${end - 1}` },
        access: pullAccess(repository),
        accept: [200, 206],
        action,
      });
      checkRange(response, { start: position, end }, action);
      for await (const chunk of bodyChunks(response, action)) {
        if (position + chunk.length > end)
          throw new CoracleError('REGISTRY', `${action}: too many bytes came`);
        position += chunk.length;
        yield chunk;
      }
      if (position < end) throw new TransientError('NETWORK', `${action}: the answer ended early`);
    } catch (error) {
      if (position > before) attempt = 1;
      await beforeRetry(error, attempt++, { policy, signal, onRetry });
    }
  }
}

function checkRange(response: HttpResponse, { start, end }: BlobRange, action: string): void {
  if (response.status !== 206) {
    discardBody(response);
    throw new CoracleError('UNSUPPORTED', `${action}: the registry sends whole blobs only`);
  }
  const range = /^bytes (\d+)-(\d+)\//.exec(response.headers['content-range'] ?? '');
  if (Number(range?.[1]) === start && Number(range?.[2]) === end - 1) return;
  discardBody(response);
  throw new CoracleError('REGISTRY', `${action}: asked for bytes from ${start}, got another range`);
}
