/** Manifests and tags of a registry, verified. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests */
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestAlgorithm, isDigest, makeDigest } from '../oci/digest.js';
import { optional, parseJson, requireObject, requireStrings } from '../oci/guards.js';
import { type Manifest, manifestLimit, parseManifest } from '../oci/manifest.js';
import { acceptedManifestTypes, essence, isIndex, isManifest } from '../oci/media-types.js';
import { formatReference, type Reference } from '../oci/reference.js';
import { pullAccess, pushAccess } from './authorizer.js';
import type { RegistryClient } from './client.js';
import { PageTrail } from './pages.js';
import { discardBody, type HttpResponse, readBody } from './response.js';

/** A manifest as the registry has it, its digest and media type verified. */
export type FetchedManifest = {
  /** To be stored as they are: the digest is theirs. */
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
};

const accept = acceptedManifestTypes.join(', ');
const tagsLimit = 4 * 1024 * 1024;
const tagPages = 1000;

/** What a tag or digest points at: by HEAD, or by GET where HEAD does not say. NOT_FOUND where there is nothing. */
export async function resolve(client: RegistryClient, reference: Reference): Promise<Descriptor> {
  const action = `resolve ${formatReference(reference)}`;
  const response = await client.request({
    method: 'HEAD',
    target: manifestTarget(reference),
    headers: { accept },
    access: pullAccess(reference.repository),
    // Some registries do not do HEAD; the GET that follows gets the true answer.
    accept: [200, 400, 405, 501],
    action,
  });
  discardBody(response);
  return headDescriptor(response, reference) ?? (await getManifest(client, reference)).descriptor;
}

function headDescriptor({ status, headers }: HttpResponse, reference: Reference): Descriptor | undefined {
  const digest = headers['docker-content-digest'];
  const mediaType = essence(headers['content-type'] ?? '');
  const size = Number(headers['content-length'] ?? Number.NaN);
  const known = isManifest(mediaType) || isIndex(mediaType);
  if (status !== 200 || !isDigest(digest) || !known || !Number.isSafeInteger(size) || size <= 0)
    return undefined;
  return reference.digest === undefined || reference.digest === digest
    ? { mediaType, digest, size }
    : undefined;
}

/**
 * Fetches a manifest or index. Its bytes must hash to the digest asked for and to the one the registry names;
 * its media type must agree with the header and with `expected`, the descriptor that led here.
 * @throws INTEGRITY for other bytes, INVALID for a malformed or ambiguous document.
 */
export async function getManifest(
  client: RegistryClient,
  reference: Reference,
  expected?: Descriptor,
): Promise<FetchedManifest> {
  const action = `read manifest ${formatReference(reference)}`;
  const response = await client.request({
    method: 'GET',
    target: manifestTarget(reference),
    headers: { accept: expected?.mediaType ?? accept },
    access: pullAccess(reference.repository),
    accept: [200],
    action,
  });
  const bytes = await readBody(response, manifestLimit, action);
  const digest = await verifiedDigest(bytes, response, expected?.digest ?? reference.digest, action);
  if (expected !== undefined && bytes.length !== expected.size) {
    throw new CoracleError('INTEGRITY', `${action}: ${bytes.length} bytes, expected ${expected.size}`);
  }
  const where = `manifest ${formatReference(reference)}`;
  const manifest = parseManifest(bytes, where, response.headers['content-type']);
  if (expected !== undefined) parseManifest(bytes, where, expected.mediaType);
  const { mediaType } = manifest;
  return { bytes, mediaType, manifest, descriptor: { mediaType, digest, size: bytes.length } };
}

/** As `getManifest`; undefined where there is nothing. */
export async function findManifest(
  client: RegistryClient,
  reference: Reference,
): Promise<FetchedManifest | undefined> {
  try {
    return await getManifest(client, reference);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}

async function verifiedDigest(
  bytes: Buffer,
  response: HttpResponse,
  wanted: Digest | undefined,
  action: string,
): Promise<Digest> {
  const { createHash } = await import('node:crypto');
  const stated = response.headers['docker-content-digest'];
  const claims = [wanted, isDigest(stated) ? stated : undefined].filter((claim) => claim !== undefined);
  for (const claim of claims) {
    const algorithm = digestAlgorithm(claim);
    const actual = makeDigest(algorithm, createHash(algorithm).update(bytes).digest('hex'));
    if (actual === claim) continue;
    throw new CoracleError('INTEGRITY', `${action}: the bytes have digest ${actual}, expected ${claim}`, {
      hint: 'the registry, or something before it, changed the content; try again later or ask its operator',
    });
  }
  return wanted ?? makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
}

/**
 * Stores a manifest under the reference's tag, or under its digest where there is no tag. All it names must be there.
 * Resolves with whether the registry says that it knows the manifest's subject.
 */
export async function putManifest(
  client: RegistryClient,
  reference: Reference,
  manifest: Pick<FetchedManifest, 'bytes' | 'mediaType'>,
): Promise<boolean> {
  const action = `write manifest ${formatReference(reference)}`;
  const response = await client.request({
    method: 'PUT',
    target: `${reference.repository}/manifests/${reference.tag ?? reference.digest ?? 'latest'}`,
    headers: { 'content-type': manifest.mediaType },
    body: manifest.bytes,
    access: pushAccess(reference.repository),
    accept: [200, 201, 202, 204],
    action,
  });
  discardBody(response);
  return response.headers['oci-subject'] !== undefined;
}

/** Whether a manifest is there under the reference's digest or tag. */
export async function hasManifest(client: RegistryClient, reference: Reference): Promise<boolean> {
  const response = await client.request({
    method: 'HEAD',
    target: manifestTarget(reference),
    headers: { accept },
    access: pullAccess(reference.repository),
    accept: [200, 404],
    action: `look for manifest ${formatReference(reference)}`,
  });
  discardBody(response);
  return response.status === 200;
}

function manifestTarget({ repository, tag, digest }: Reference): string {
  return `${repository}/manifests/${digest ?? tag ?? 'latest'}`;
}

/** Tags of a repository, in the registry's order, all pages. */
export async function listTags(client: RegistryClient, repository: string): Promise<readonly string[]> {
  const action = `list tags of ${client.registry}/${repository}`;
  const tags: string[] = [];
  const trail = new PageTrail(action, tagPages);
  for (let target: string | URL | undefined = `${repository}/tags/list`; target !== undefined; ) {
    const access = pullAccess(repository);
    const response: HttpResponse = await client.request({
      method: 'GET',
      target,
      access,
      accept: [200],
      action,
    });
    const body = await readBody(response, tagsLimit, action);
    const where = `tags of ${client.registry}/${repository}`;
    const page = requireObject(parseJson(body.toString('utf8'), where), where);
    for (const tag of optional(page.tags, where, requireStrings) ?? []) tags.push(tag);
    target = trail.next(response, body.length);
  }
  return tags;
}
