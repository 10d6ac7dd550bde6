/** Blobs of a registry: asking for them and fetching them, resumed where a connection broke. */
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { pullAccess } from './authorizer.js';
import type { RegistryClient } from './client.js';
import { TransientError } from './errors.js';
import { bodyChunks, discardBody, type HttpResponse } from './response.js';
import { beforeRetry } from './retry.js';

/** The part of a descriptor that fetching needs. */
export type BlobDescriptor = Pick<Descriptor, 'digest' | 'size'>;

/** Where fetched bytes go. Verifying the digest, once all are there, is the sink's owner's duty. */
export type BlobSink = {
  /** Bytes held so far; fetching begins there. */
  readonly offset: number;
  /** Takes the next bytes; `offset` has grown when it is done. */
  append(chunk: Uint8Array): Promise<void> | void;
};

/** An opened blob. */
export type OpenBlob = {
  /** Where `chunks` begin: what was asked for, or 0 where the server knows no ranges. */
  readonly offset: number;
  readonly chunks: AsyncIterable<Buffer>;
};

/** Whether a blob is there; INTEGRITY where it has another size than the descriptor says. */
export async function hasBlob(
  client: RegistryClient,
  repository: string,
  { digest, size }: BlobDescriptor,
): Promise<boolean> {
  const action = `look for blob ${digest} in ${client.registry}/${repository}`;
  const response = await client.request({
    method: 'HEAD',
    target: `${repository}/blobs/${digest}`,
    access: pullAccess(repository),
    accept: [200, 404],
    action,
  });
  discardBody(response);
  if (response.status === 200) checkLength(response, size, action);
  return response.status === 200;
}

/** Opens a blob for reading from `offset`. The bytes are not verified; their number is checked where the server states it. */
export async function getBlob(
  client: RegistryClient,
  repository: string,
  descriptor: BlobDescriptor,
  { offset = 0 }: { readonly offset?: number } = {},
): Promise<OpenBlob> {
  const { digest, size } = descriptor;
  const action = `fetch blob ${digest} of ${client.registry}/${repository}`;
  const response = await client.requestOnce({
    method: 'GET',
    target: `${repository}/blobs/${digest}`,
    ...(offset === 0 ? {} : { headers: { range: `bytes=${offset}-${size - 1}` } }),
    access: pullAccess(repository),
    accept: offset === 0 ? [200] : [200, 206],
    action,
  });
  const start = response.status === 206 ? rangeStart(response, offset, size, action) : 0;
  checkLength(response, size - start, action);
  return { offset: start, chunks: bodyChunks(response, action) };
}

function checkLength(response: HttpResponse, expected: number, action: string): void {
  const length = response.headers['content-length'];
  if (length === undefined || Number(length) === expected) return;
  response.message.destroy();
  throw new CoracleError('INTEGRITY', `${action}: the registry has ${length} bytes, expected ${expected}`, {
    hint: 'the registry holds another or a truncated layer: push the image again, or pull another tag',
  });
}

function rangeStart(response: HttpResponse, offset: number, size: number, action: string): number {
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '');
  const total = range?.[3] === '*' ? size : Number(range?.[3]);
  if (range !== null && Number(range[1]) === offset && Number(range[2]) === size - 1 && total === size) {
    return offset;
  }
  response.message.destroy();
  throw new CoracleError('REGISTRY', `${action}: asked for bytes from ${offset}, got another range`);
}

// Attempts count anew after this much progress, so that a big blob survives many breaks and a trickle does not last for ever.
const progress = 1024 * 1024;

/**
 * Fetches what the sink lacks of a blob, going on at its offset after every break. Never hands over more bytes
 * than the descriptor's size.
 * @throws INTEGRITY where the registry has more or fewer bytes; the last error when the attempts are used up.
 */
export async function fetchBlob(
  client: RegistryClient,
  repository: string,
  descriptor: BlobDescriptor,
  sink: BlobSink,
): Promise<void> {
  const { retryPolicy: policy, signal, onRetry } = client;
  let attempt = 1;
  let mark = sink.offset;
  while (sink.offset < descriptor.size) {
    try {
      await fetchRest(client, repository, descriptor, sink);
    } catch (error) {
      if (sink.offset - mark >= progress) {
        attempt = 1;
        mark = sink.offset;
      }
      await beforeRetry(error, attempt++, { policy, signal, onRetry });
    }
  }
  if (sink.offset > descriptor.size) {
    throw new CoracleError(
      'INTEGRITY',
      `fetch blob ${descriptor.digest}: more bytes than ${descriptor.size}`,
    );
  }
}

async function fetchRest(
  client: RegistryClient,
  repository: string,
  descriptor: BlobDescriptor,
  sink: BlobSink,
): Promise<void> {
  const { digest, size } = descriptor;
  const { offset, chunks } = await getBlob(client, repository, descriptor, { offset: sink.offset });
  let position = offset;
  for await (const chunk of chunks) {
    // A server that ignores ranges sends again what the sink has.
    const fresh = position < sink.offset ? chunk.subarray(sink.offset - position) : chunk;
    position += chunk.length;
    if (position > size) {
      throw new CoracleError('INTEGRITY', `fetch blob ${digest}: the registry sends more than ${size} bytes`);
    }
    if (fresh.length > 0) await sink.append(fresh);
  }
  if (sink.offset < size) {
    throw new TransientError(
      'NETWORK',
      `fetch blob ${digest}: the answer ended at byte ${position} of ${size}`,
    );
  }
}

/** A blob as one stream that goes on at its place after a break. Its digest is the reader's to check. */
export async function* readBlob(
  client: RegistryClient,
  repository: string,
  descriptor: BlobDescriptor,
): AsyncGenerator<Buffer, void> {
  const { retryPolicy: policy, signal, onRetry } = client;
  const { digest, size } = descriptor;
  let attempt = 1;
  let mark = 0;
  for (let position = 0; position < size; ) {
    try {
      const { offset, chunks } = await getBlob(client, repository, descriptor, { offset: position });
      let at = offset;
      for await (const chunk of chunks) {
        // A server that ignores ranges sends again what the reader has.
        const fresh = at < position ? chunk.subarray(position - at) : chunk;
        at += chunk.length;
        if (fresh.length === 0) continue;
        position = at;
        yield fresh;
      }
      if (position < size) {
        const reason = `the answer ended at byte ${position} of ${size}`;
        throw new TransientError('NETWORK', `fetch blob ${digest}: ${reason}`);
      }
    } catch (error) {
      if (position - mark >= progress) {
        attempt = 1;
        mark = position;
      }
      await beforeRetry(error, attempt++, { policy, signal, onRetry });
    }
  }
}
