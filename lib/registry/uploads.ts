/**
 * Blobs into a registry: mounted from another repository, in one piece, or as a stream whose digest is known at
 * its end. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
 */
import { CoracleError } from '../errors.js';
import { type Digest, digestAlgorithm } from '../oci/digest.js';
import { pushAccess } from './authorizer.js';
import type { BlobDescriptor } from './blobs.js';
import type { RegistryClient } from './client.js';
import { discardBody, type HttpResponse } from './response.js';
import { withRetry } from './retry.js';
import { resolveLocation } from './transport.js';

/** Bytes whose digest and size are known only after the last one. */
export type UploadSource = {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Called once, after `chunks` ended. */
  finish(): Promise<BlobDescriptor> | BlobDescriptor;
};

// The registry hashes or copies a whole layer before it answers the last request.
const answerTimeout = 300_000;

/**
 * Makes a blob of another repository of the same registry appear in `repository`.
 * False where the registry does not: then it has to be uploaded.
 */
export async function mountBlob(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  from: string,
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from });
  const action = `mount blob ${digest} in ${client.registry}/${repository}`;
  const response = await client.request({
    method: 'POST',
    target: `${repository}/blobs/uploads/?${query}`,
    access: pushAccess(repository, from),
    accept: [201, 202],
    action,
  });
  discardBody(response);
  if (response.status === 201) return true;
  await cancelUpload(client, repository, response, action);
  return false;
}

/** The registry opened an upload instead of mounting: it is not needed, and registries that cannot cancel let it expire. */
async function cancelUpload(
  client: RegistryClient,
  repository: string,
  response: HttpResponse,
  action: string,
): Promise<void> {
  const { location } = response.headers;
  if (location === undefined) return;
  const cancelled = await client.requestOnce({
    method: 'DELETE',
    target: resolveLocation(location, response.url, action),
    access: pushAccess(repository),
    accept: [200, 202, 204, 400, 401, 403, 404, 405, 501],
    action,
  });
  discardBody(cancelled);
}

/** Uploads a blob of known digest and size; `open` is called for each attempt. */
export async function uploadBlob(
  client: RegistryClient,
  repository: string,
  { digest, size }: BlobDescriptor,
  open: () => AsyncIterable<Uint8Array>,
): Promise<void> {
  const action = `upload blob ${digest} to ${client.registry}/${repository}`;
  await repeated(client, async () => {
    const upload = await startUpload(client, repository, action, digest);
    const response = await client.requestOnce({
      method: 'PUT',
      target: withDigest(upload, digest),
      headers: { 'content-type': 'application/octet-stream' },
      body: { length: size, chunks: exactly(open(), size, action) },
      access: pushAccess(repository),
      accept: [201, 204],
      answerTimeout,
      action,
    });
    finish(response, digest, action);
  });
}

/** Uploads a stream; `open` is called for each attempt. Resolves with what the last attempt's `finish` said. */
export async function uploadStream(
  client: RegistryClient,
  repository: string,
  open: () => UploadSource,
): Promise<BlobDescriptor> {
  const action = `upload to ${client.registry}/${repository}`;
  return repeated(client, async () => {
    const upload = await startUpload(client, repository, action);
    const source = open();
    const access = pushAccess(repository);
    const sent = await client.requestOnce({
      method: 'PATCH',
      target: upload,
      headers: { 'content-type': 'application/octet-stream' },
      body: { chunks: source.chunks },
      access,
      accept: [201, 202, 204],
      answerTimeout,
      action,
    });
    discardBody(sent);
    const descriptor = await source.finish();
    const next = resolveLocation(sent.headers.location ?? upload.href, sent.url, action);
    const response = await client.requestOnce({
      method: 'PUT',
      target: withDigest(next, descriptor.digest),
      access,
      accept: [201, 204],
      answerTimeout,
      action,
    });
    finish(response, descriptor.digest, action);
    return descriptor;
  });
}

function repeated<T>(client: RegistryClient, operation: () => Promise<T>): Promise<T> {
  const { retryPolicy: policy, signal, onRetry } = client;
  return withRetry({ policy, signal, onRetry }, operation);
}

async function startUpload(
  client: RegistryClient,
  repository: string,
  action: string,
  digest?: Digest,
): Promise<URL> {
  const algorithm = digest === undefined ? 'sha256' : digestAlgorithm(digest);
  const query = algorithm === 'sha256' ? '' : `?digest-algorithm=${algorithm}`;
  const response = await client.requestOnce({
    method: 'POST',
    target: `${repository}/blobs/uploads/${query}`,
    access: pushAccess(repository),
    accept: [202],
    action,
  });
  discardBody(response);
  const { location } = response.headers;
  if (location !== undefined) return resolveLocation(location, response.url, action);
  throw new CoracleError('REGISTRY', `${action}: the registry opened an upload without a Location`);
}

/** Adds the digest behind whatever state the registry keeps in the query, which stays as it is to the byte. */
function withDigest(upload: URL, digest: Digest): URL {
  const url = new URL(upload);
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** Passes bytes on; a source shorter or longer than announced is INTEGRITY, so the registry never gets padding or a cut. */
async function* exactly(
  source: AsyncIterable<Uint8Array>,
  size: number,
  action: string,
): AsyncGenerator<Uint8Array, void> {
  let sent = 0;
  for await (const chunk of source) {
    sent += chunk.length;
    if (sent > size) throw new CoracleError('INTEGRITY', `${action}: more than ${size} bytes to send`);
    yield chunk;
  }
  if (sent < size) throw new CoracleError('INTEGRITY', `${action}: only ${sent} of ${size} bytes to send`);
}

function finish(response: HttpResponse, digest: Digest, action: string): void {
  discardBody(response);
  const stated = response.headers['docker-content-digest'];
  if (stated === undefined || stated === digest || digestAlgorithm(digest) !== 'sha256') return;
  throw new CoracleError('INTEGRITY', `${action}: the registry stored ${JSON.stringify(stated)} instead`);
}
