/**
 * OCI artifacts: a manifest whose layers are files as they are.
 * https://github.com/opencontainers/image-spec/blob/main/manifest.md#guidelines-for-artifact-usage
 */
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { Stores } from '../image/stores.js';
import { asBuffer } from '../layer/tar-reader.js';
import type { Descriptor } from '../oci/descriptor.js';
import { present } from '../oci/guards.js';
import { annotationNames } from '../oci/layout.js';
import { type ImageManifest, serializeManifest } from '../oci/manifest.js';
import { ociTypes } from '../oci/media-types.js';
import { type PlacedManifest, placedManifest } from './place.js';

/** The type of an artifact that says none, as buildah and podman have it. */
export const unknownArtifact = 'application/vnd.unknown.artifact.v1';

export type ArtifactOptions = {
  readonly type?: string | undefined;
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The media type of all files; else found out for each. */
  readonly fileType?: string | undefined;
  /** Of each file. */
  readonly fileAnnotations?: Readonly<Record<string, string>> | undefined;
  /** Do not say how the files are called. */
  readonly excludeTitles?: boolean | undefined;
  /** A config; without one it is the empty one. */
  readonly config?: { readonly bytes: Uint8Array; readonly mediaType: string } | undefined;
  readonly subject?: Descriptor | undefined;
  /** An artifact whose files come first. */
  readonly base?: ImageManifest | undefined;
};

/** Stores files as an artifact; nothing refers to it yet. Hold a lease. @throws NOT_FOUND for a file, CONFLICT for a name twice */
export async function storeArtifact(
  stores: Stores,
  files: readonly string[],
  options: ArtifactOptions,
): Promise<PlacedManifest> {
  const { base, type, subject } = options;
  const kept = (base?.layers ?? []).filter(({ mediaType }) => mediaType !== ociTypes.empty);
  const layers = [...kept];
  for (const file of files) {
    const layer = await storeFile(stores, file, options);
    const title = layer.annotations?.[annotationNames.title];
    if (
      title !== undefined &&
      layers.some(({ annotations }) => annotations?.[annotationNames.title] === title)
    ) {
      throw new CoracleError(
        'CONFLICT',
        `add ${file}: the artifact has a file ${JSON.stringify(title)} already`,
      );
    }
    layers.push(layer);
  }
  const annotations = { ...base?.annotations, ...options.annotations };
  const empty = await storeBytes(stores, Buffer.from('{}'), ociTypes.empty);
  const manifest: ImageManifest = {
    kind: 'manifest',
    mediaType: ociTypes.manifest,
    artifactType: type ?? base?.artifactType ?? unknownArtifact,
    config: await configOf(stores, options, empty),
    layers: layers.length === 0 ? [empty] : layers,
    ...present('subject', subject ?? base?.subject),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  const bytes = Buffer.from(serializeManifest(manifest));
  await stores.content.put(bytes);
  return placedManifest(bytes, 'artifact');
}

async function configOf(
  stores: Stores,
  { config, base }: ArtifactOptions,
  empty: Descriptor,
): Promise<Descriptor> {
  if (config !== undefined) return storeBytes(stores, config.bytes, config.mediaType);
  return base?.config ?? { ...empty, data: Buffer.from('{}').toString('base64') };
}

async function storeBytes(stores: Stores, bytes: Uint8Array, mediaType: string): Promise<Descriptor> {
  return { mediaType, ...(await stores.content.put(bytes)) };
}

async function storeFile(stores: Stores, file: string, options: ArtifactOptions): Promise<Descriptor> {
  requireFile(file);
  let start: Buffer | undefined;
  async function* bytes(): AsyncGenerator<Buffer, void> {
    for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
      start ??= asBuffer(chunk).subarray(0, 512);
      yield asBuffer(chunk);
    }
  }
  const blob = await stores.content.ingest(bytes());
  const titled = options.excludeTitles === true ? {} : { [annotationNames.title]: basename(file) };
  const annotations = { ...titled, ...options.fileAnnotations };
  return {
    mediaType: options.fileType ?? guessType(start ?? Buffer.alloc(0)),
    ...blob,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

function requireFile(path: string): void {
  try {
    if (statSync(path).isFile()) return;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw ioError(`read ${path}`, error);
    throw new CoracleError('NOT_FOUND', `read ${path}: no such file`, { cause: error });
  }
  throw new CoracleError('USAGE', `read ${path}: it is no file`, {
    hint: 'an artifact holds files; make an archive of a directory',
  });
}

/** The media type that a file's beginning tells of. */
export function guessType(start: Buffer): string {
  const magic: readonly (readonly [string, string])[] = [
    ['1f8b08', 'application/x-gzip'],
    ['28b52ffd', 'application/zstd'],
    ['504b0304', 'application/zip'],
    ['25504446', 'application/pdf'],
    ['89504e470d0a1a0a', 'image/png'],
    ['ffd8ff', 'image/jpeg'],
    ['0061736d', 'application/wasm'],
  ];
  const hex = start.toString('hex', 0, 8);
  const found = magic.find(([digits]) => hex.startsWith(digits));
  if (found !== undefined) return found[1];
  const isText = start.every((byte) => byte >= 0x20 || [0x09, 0x0a, 0x0c, 0x0d, 0x1b].includes(byte));
  return isText ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}
