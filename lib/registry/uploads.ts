/**
 * Blobs into a registry: mounted from another repository, in one piece, or as a stream whose digest is known at
 * its end. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-blobs
 */
import type { Digest } from '../oci/digest.js';
import { pushAccess } from './authorizer.js';
import { BlobUpload } from './blob-upload.js';
import type { BlobDescriptor } from './blobs.js';
import type { RegistryClient } from './client.js';
import { discardBody, type HttpResponse } from './response.js';
import { withRetry } from './retry.js';
import { resolveLocation } from './transport.js';
import { finishUpload, startUpload, withDigest } from './upload-session.js';

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

/** Uploads a blob of known digest and size; `open` is called for each attempt, which goes on where the one before broke off. */
export async function uploadBlob(
  client: RegistryClient,
  repository: string,
  { digest, size }: BlobDescriptor,
  open: () => AsyncIterable<Uint8Array>,
): Promise<void> {
  const action = `upload blob ${digest} to ${client.registry}/${repository}`;
  const blob = { digest, size };
  const upload = new BlobUpload(client, repository, { blob, open, action, answerTimeout });
  await repeated(client, () => upload.attempt());
}

/** Uploads a stream; `open` is called for each attempt. Resolves with what the last attempt's `finish` said. */
export async function uploadStream(
  client: RegistryClient,
  repository: string,
  open: () => UploadSource,
): Promise<BlobDescriptor> {
  const action = `upload to ${client.registry}/${repository}`;
  return repeated(client, async () => {
    const { location: upload } = await startUpload(client, repository, action);
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
    finishUpload(response, descriptor.digest, action);
    return descriptor;
  });
}

function repeated<T>(client: RegistryClient, operation: () => Promise<T>): Promise<T> {
  const { retryPolicy: policy, signal, onRetry } = client;
  return withRetry({ policy, signal, onRetry }, operation);
}
