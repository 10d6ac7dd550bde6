/** Signatures beside an image at a registry: the layers of a manifest under the tag that cosign gives them. */
import { createHash, type KeyObject } from 'node:crypto';
import { CoracleError } from '../errors.js';
import type { Descriptor } from '../oci/descriptor.js';
import { type Digest, digestAlgorithm, makeDigest } from '../oci/digest.js';
import { type ImageManifest, serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import type { Reference } from '../oci/reference.js';
import { hasBlob, readBlob } from '../registry/blobs.js';
import type { RegistryClient } from '../registry/client.js';
import { findManifest, putManifest } from '../registry/manifests.js';
import { uploadBlob } from '../registry/uploads.js';
import {
  type AttachedSignature,
  makeSignature,
  payloadType,
  signatureAnnotation,
  signatureTag,
} from '../trust/signature.js';

/** Payloads are a few hundred bytes. */
const payloadLimit = 256 * 1024;
/** An image has a handful; each costs a request. */
const signatureLimit = 256;

/** What is attached to a manifest; nothing where there is no such tag. @throws INTEGRITY, INVALID for what is damaged */
export async function readSignatures(
  client: RegistryClient,
  repository: string,
  digest: Digest,
): Promise<readonly AttachedSignature[]> {
  const manifest = await attachedManifest(client, repository, digest);
  const layers = (manifest?.layers ?? []).filter(({ mediaType }) => mediaType === payloadType);
  if (layers.length > signatureLimit) {
    throw new CoracleError('INVALID', `read signatures of ${digest}: ${layers.length} of them`);
  }
  const signatures: AttachedSignature[] = [];
  for (const layer of layers) {
    const { [signatureAnnotation]: signature, ...annotations } = layer.annotations ?? {};
    if (signature === undefined) continue;
    signatures.push({ payload: await readPayload(client, repository, layer), signature, annotations });
  }
  return signatures;
}

async function attachedManifest(
  client: RegistryClient,
  repository: string,
  digest: Digest,
): Promise<ImageManifest | undefined> {
  const manifest = (await findManifest(client, attachmentOf(client, repository, digest)))?.manifest;
  if (manifest?.kind !== 'index') return manifest;
  throw new CoracleError('INVALID', `read signatures of ${digest}: an index where they belong`);
}

function attachmentOf({ registry }: RegistryClient, repository: string, digest: Digest): Reference {
  return { registry, repository, tag: signatureTag(digest) };
}

async function readPayload(client: RegistryClient, repository: string, layer: Descriptor): Promise<Buffer> {
  const { digest, size } = layer;
  if (size > payloadLimit) throw new CoracleError('INVALID', `read signature ${digest}: ${size} bytes`);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of readBlob(client, repository, layer)) {
    length += chunk.length;
    if (length > size) break;
    chunks.push(chunk);
  }
  const payload = Buffer.concat(chunks);
  const algorithm = digestAlgorithm(digest);
  const found = makeDigest(algorithm, createHash(algorithm).update(payload).digest('hex'));
  if (found === digest) return payload;
  throw new CoracleError('INTEGRITY', `read signature ${digest}: the content has digest ${found}`);
}

/** With what and as what manifests are signed. */
export type Signer = {
  readonly key: KeyObject;
  /** What the signatures say the image is called. */
  readonly identity: string;
  /** The program that signs. */
  readonly creator: string;
};

/** Signs a manifest that the registry has; earlier signatures stay. */
export async function attachSignature(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  { key, identity, creator }: Signer,
): Promise<void> {
  const claim = { digest, reference: identity };
  const seconds = Math.floor(Date.now() / 1000);
  await attachSignatures(client, repository, digest, [makeSignature(claim, key, creator, seconds)]);
}

/** Hangs signatures beside a manifest that the registry has; those that hang there stay, and none hangs there twice. */
export async function attachSignatures(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signatures: readonly AttachedSignature[],
): Promise<void> {
  const before = await attachedManifest(client, repository, digest);
  const layers = [...(before?.layers ?? [])];
  for (const { payload, signature, annotations } of signatures) {
    const layer: Descriptor = {
      ...describePayload(payload),
      annotations: { ...annotations, [signatureAnnotation]: signature },
    };
    if (layers.some((other) => isSame(other, layer))) continue;
    await putBytes(client, repository, payload, payloadType);
    layers.push(layer);
  }
  if (layers.length === (before?.layers ?? []).length) return;
  const config = await putBytes(client, repository, configOf(layers), ociTypes.config);
  const manifest: ImageManifest = {
    ...before,
    kind: 'manifest',
    mediaType: ociTypes.manifest,
    config,
    layers,
  };
  await putManifest(client, attachmentOf(client, repository, digest), {
    bytes: Buffer.from(serializeManifest(manifest)),
    mediaType: ociTypes.manifest,
  });
}

function describePayload(payload: Buffer): Descriptor {
  const digest = makeDigest('sha256', createHash('sha256').update(payload).digest('hex'));
  return { mediaType: payloadType, digest, size: payload.length };
}

function isSame(one: Descriptor, other: Descriptor): boolean {
  const signed = ({ annotations }: Descriptor): string | undefined => annotations?.[signatureAnnotation];
  return one.digest === other.digest && signed(one) === signed(other);
}

/** Signatures stand as layers of an image; its config lists them, as cosign's does. */
function configOf(layers: readonly Descriptor[]): Buffer {
  const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
  return Buffer.from(JSON.stringify({ architecture: '', os: '', config: {}, rootfs }));
}

async function putBytes(
  client: RegistryClient,
  repository: string,
  bytes: Buffer,
  mediaType: string,
): Promise<Descriptor> {
  const digest = makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
  const descriptor = { mediaType, digest, size: bytes.length };
  if (!(await hasBlob(client, repository, descriptor))) {
    await uploadBlob(client, repository, descriptor, async function* () {
      yield bytes;
    });
  }
  return descriptor;
}
