/**
 * Attestations as BuildKit stores them: per image a manifest in the index whose layers are in-toto statements about it.
 * https://docs.docker.com/build/metadata/attestations/attestation-storage/
 */
import { createHash } from 'node:crypto';
import type { ImageRecord } from '../image/image-record.js';
import type { Stores } from '../image/stores.js';
import { parseDiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestHex } from '../oci/digest.js';
import { serializeImageConfig } from '../oci/image-config.js';
import { serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import { formatPlatform, type Platform } from '../oci/platform.js';
import { parseReference, repositoryName } from '../oci/reference.js';
import { platformOf } from './image-index.js';

/** One kind of statement. */
export type Attester = {
  /** URI of the predicate's type. */
  readonly predicateType: string;
  /** What the statement is called beside exported files. */
  readonly fileName: string;
  /** What is said about the image of this platform; asked once. */
  readonly predicate: (platform: Platform) => Promise<unknown>;
};

export type Attested = {
  readonly image: ImageRecord;
  /** The image's entry in the index. */
  readonly entry: Descriptor;
  readonly attesters: readonly Attester[];
  /** Full references the image gets. */
  readonly names: readonly string[];
};

/** Annotation of an attestation's entry: the digest of the image it is about. */
export const referenceDigest = 'vnd.docker.reference.digest';

const statementType = 'https://in-toto.io/Statement/v0.1';
const layerType = 'application/vnd.in-toto+json';

/** Stores the manifest that attests to an image; its entry for the index. Hold a staging lease. */
export async function attestationManifest(stores: Stores, attested: Attested): Promise<Descriptor> {
  const { image, entry, attesters, names } = attested;
  const platform = platformOf(image);
  const layers: Descriptor[] = [];
  for (const attester of attesters) {
    const text = await statementText(attester, { platform, digest: entry.digest, names });
    const { predicateType } = attester;
    const blob = await stores.content.put(Buffer.from(text));
    layers.push({
      mediaType: layerType,
      ...blob,
      annotations: { 'in-toto.io/predicate-type': predicateType },
    });
  }
  const diffIds = layers.map(({ digest }) => parseDiffId(digest, 'statement'));
  const unknown = { architecture: 'unknown', os: 'unknown' } as const;
  const config = serializeImageConfig({
    ...unknown,
    config: {},
    rootfs: { type: 'layers', diff_ids: diffIds },
  });
  const configBlob = await stores.content.put(Buffer.from(config));
  const manifest = serializeManifest({
    kind: 'manifest',
    mediaType: ociTypes.manifest,
    config: { mediaType: ociTypes.config, ...configBlob },
    layers,
  });
  const blob = await stores.content.put(Buffer.from(manifest));
  return {
    mediaType: ociTypes.manifest,
    ...blob,
    annotations: {
      [referenceDigest]: entry.digest,
      'vnd.docker.reference.type': 'attestation-manifest',
    },
    platform: unknown,
  };
}

export type Subject = {
  readonly platform: Platform;
  readonly digest: Digest;
  readonly names: readonly string[];
};

/** An in-toto statement about an image. https://in-toto.io/Statement/v0.1 */
export async function statementText(
  { predicateType, predicate }: Attester,
  { platform, digest, names }: Subject,
): Promise<string> {
  const subject = subjects(names, platform, digestHex(digest));
  return JSON.stringify({
    _type: statementType,
    predicateType,
    subject,
    predicate: await predicate(platform),
  });
}

/** Whom a statement is about: the image by each of its names, or by nothing but its digest. */
function subjects(names: readonly string[], platform: Platform, sha256: string): readonly unknown[] {
  const called = names.length === 0 ? ['_'] : names.map((name) => packageUrl(name, platform));
  return called.map((name) => ({ name, digest: { sha256 } }));
}

/** An image's name as a package URL. https://github.com/package-url/purl-spec/blob/main/types-doc/docker-definition.md */
export function packageUrl(name: string, platform: Platform): string {
  const reference = parseReference(name);
  const repository = repositoryName(reference);
  const short = repository.replace(/^docker\.io\/(library\/)?/, '');
  const version = reference.digest ?? reference.tag ?? 'latest';
  const query = new URLSearchParams({ platform: formatPlatform(platform) });
  return `pkg:docker/${short}@${encodeURIComponent(version)}?${query}`;
}

/** A predicate made when it is first asked for, once for each platform. */
export function onceForEach(make: (platform: Platform) => Promise<unknown>): Attester['predicate'] {
  const made = new Map<string, Promise<unknown>>();
  return (platform) => {
    const key = formatPlatform(platform);
    const known = made.get(key) ?? make(platform);
    made.set(key, known);
    return known;
  };
}

/** Hexadecimal digest of a text or of bytes. */
export function sha256Hex(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
