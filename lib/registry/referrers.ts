/**
 * What refers to a manifest by its `subject`: asked of the registry, or where it does not know the question read from the
 * tag that clients keep in its stead. https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
 */
import { createHash } from 'node:crypto';
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, makeDigest } from '../oci/digest.js';
import { type ImageIndex, manifestLimit, parseManifest, serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import type { Reference } from '../oci/reference.js';
import { pullAccess } from './authorizer.js';
import type { RegistryClient } from './client.js';
import { type FetchedManifest, findManifest, putManifest } from './manifests.js';
import { PageTrail } from './pages.js';
import { discardBody, type HttpResponse, readBody } from './response.js';

const pages = 100;

/** What refers to a manifest, of one type alone where it is given. @throws INVALID for an answer that is no index */
export async function listReferrers(
  client: RegistryClient,
  repository: string,
  subject: Digest,
  type?: string,
): Promise<readonly Descriptor[]> {
  const found =
    (await askReferrers(client, repository, subject, type)) ?? (await tagged(client, repository, subject));
  return found.filter(({ artifactType }) => type === undefined || artifactType === type);
}

/** Undefined where the registry does not know the question. */
async function askReferrers(
  client: RegistryClient,
  repository: string,
  subject: Digest,
  type: string | undefined,
): Promise<readonly Descriptor[] | undefined> {
  const action = `list referrers of ${client.registry}/${repository}@${subject}`;
  const found: Descriptor[] = [];
  const query = type === undefined ? '' : `?${new URLSearchParams({ artifactType: type })}`;
  const trail = new PageTrail(action, pages);
  let first = true;
  let target: string | URL | undefined = `${repository}/referrers/${subject}${query}`;
  for (; target !== undefined; first = false) {
    const response: HttpResponse = await client.request({
      method: 'GET',
      target,
      headers: { accept: ociTypes.index },
      access: pullAccess(repository),
      accept: first ? [200, 404, 405] : [200],
      action,
    });
    if (response.status !== 200) {
      discardBody(response);
      return undefined;
    }
    const bytes = await readBody(response, manifestLimit, action);
    const manifest = parseManifest(bytes, action, response.headers['content-type']);
    for (const entry of entriesOf(manifest, action)) found.push(entry);
    target = trail.next(response, bytes.length);
  }
  return found;
}

function entriesOf(manifest: FetchedManifest['manifest'], action: string): readonly Descriptor[] {
  if (manifest.kind === 'index') return manifest.manifests;
  throw new CoracleError('INVALID', `${action}: the answer is no index`);
}

async function tagged(
  client: RegistryClient,
  repository: string,
  subject: Digest,
): Promise<readonly Descriptor[]> {
  const index = await readTag(client, repository, subject);
  return index?.manifests ?? [];
}

async function readTag(
  client: RegistryClient,
  repository: string,
  subject: Digest,
): Promise<ImageIndex | undefined> {
  const manifest = (await findManifest(client, tagOf(client, repository, subject)))?.manifest;
  return manifest?.kind === 'index' ? manifest : undefined;
}

/** The referrers tag: the digest with its colon replaced, as far as a tag may go. */
function tagOf({ registry }: RegistryClient, repository: string, subject: Digest): Reference {
  const [algorithm = '', hex = ''] = subject.split(':');
  return { registry, repository, tag: `${algorithm.slice(0, 32)}-${hex.slice(0, 64)}` };
}

/** Stores a manifest as `putManifest` does, and makes it known to those who look for what refers to its subject. */
export async function publishManifest(
  client: RegistryClient,
  reference: Reference,
  document: Pick<FetchedManifest, 'bytes' | 'mediaType'>,
): Promise<void> {
  const knowsSubjects = await putManifest(client, reference, document);
  if (knowsSubjects || !document.bytes.includes('"subject"')) return;
  const manifest = parseManifest(document.bytes, 'manifest', document.mediaType);
  if (manifest.subject === undefined) return;
  const { artifactType = manifest.kind === 'manifest' ? manifest.config.mediaType : undefined, annotations } =
    manifest;
  await addReferrer(client, reference.repository, manifest.subject.digest, {
    mediaType: document.mediaType,
    digest: makeDigest('sha256', createHash('sha256').update(document.bytes).digest('hex')),
    size: document.bytes.length,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations }),
  });
}

async function addReferrer(
  client: RegistryClient,
  repository: string,
  subject: Digest,
  referrer: Descriptor,
): Promise<void> {
  const before = await readTag(client, repository, subject);
  const manifests = before?.manifests ?? [];
  if (manifests.some(({ digest }) => digest === referrer.digest)) return;
  const index: ImageIndex = { kind: 'index', mediaType: ociTypes.index, manifests: [...manifests, referrer] };
  const bytes = Buffer.from(serializeManifest(index));
  await putManifest(client, tagOf(client, repository, subject), { bytes, mediaType: ociTypes.index });
}
