/** Opening and ending uploads, which all ways of uploading have in common. */
import { CoracleError } from '../errors.js';
import { type Digest, digestAlgorithm } from '../oci/digest.js';
import { pushAccess } from './authorizer.js';
import type { RegistryClient } from './client.js';
import { discardBody, type HttpResponse } from './response.js';
import { resolveLocation } from './transport.js';

export type OpenedUpload = {
  /** Where the next request goes. */
  readonly location: URL;
  /** Bytes that a chunk, but the last one, must have. */
  readonly minimumChunk: number;
};

/** More than any registry asks for. */
const chunkLimit = 1024 * 1024 * 1024;

/** Opens an upload. */
export async function startUpload(
  client: RegistryClient,
  repository: string,
  action: string,
  digest?: Digest,
): Promise<OpenedUpload> {
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
  const { location, 'oci-chunk-min-length': minimum } = response.headers;
  const asked = Number(minimum);
  const minimumChunk = Number.isSafeInteger(asked) && asked > 0 ? Math.min(asked, chunkLimit) : 0;
  if (location !== undefined)
    return { location: resolveLocation(location, response.url, action), minimumChunk };
  throw new CoracleError('REGISTRY', `${action}: the registry opened an upload without a Location`);
}

/** Adds the digest behind whatever state the registry keeps in the query, which stays as it is to the byte. */
export function withDigest(upload: URL, digest: Digest): URL {
  const url = new URL(upload);
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** Reads the answer to the last request. @throws INTEGRITY where the registry stored something else */
export function finishUpload(response: HttpResponse, digest: Digest, action: string): void {
  discardBody(response);
  const stated = response.headers['docker-content-digest'];
  if (stated === undefined || stated === digest || digestAlgorithm(digest) !== 'sha256') return;
  throw new CoracleError('INTEGRITY', `${action}: the registry stored ${JSON.stringify(stated)} instead`);
}
