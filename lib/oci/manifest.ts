/**
 * Manifests and indexes. What a document is must be said alike by its `mediaType`, its fields and whoever
 * pointed at it, or two readers could see two images in one digest (CVE-2021-41190).
 * https://github.com/opencontainers/image-spec/blob/main/manifest.md
 */
import { CoracleError } from '../errors.js';
import { type Descriptor, orderDescriptor, parseDescriptor } from './descriptor.js';
import {
  invalid,
  optional,
  parseJson,
  present,
  requireArray,
  requireObject,
  requireString,
  requireStringMap,
  sortedRecord,
  type UnknownRecord,
} from './guards.js';
import { essence, isIndex, isManifest, isSchema1, ociTypes } from './media-types.js';

/** The most bytes a manifest or index may have, as in other implementations. */
export const manifestLimit = 4 * 1024 * 1024;

/** One image for one platform. */
export type ImageManifest = {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config: Descriptor;
  /** Base layer first. */
  readonly layers: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** A list of manifests, usually one per platform. */
export type ImageIndex = {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly manifests: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** What a manifest digest can point at. */
export type Manifest = ImageManifest | ImageIndex;

/**
 * Reads a manifest or index. `expectedMediaType` is what the descriptor or the Content-Type header says; a
 * type that says nothing (application/json, octet-stream, text/plain) is ignored.
 * @throws INVALID for ambiguous, oversized or malformed documents, UNSUPPORTED for Docker schema 1.
 */
export function parseManifest(
  source: Uint8Array | string,
  where: string,
  expectedMediaType?: string,
): Manifest {
  const size = typeof source === 'string' ? Buffer.byteLength(source) : source.byteLength;
  if (size > manifestLimit) throw invalid(where, `${size} bytes, more than the ${manifestLimit} allowed`);
  const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
  const record = requireObject(parseJson(text, where), where);
  const stated = optional(record.mediaType, `${where}.mediaType`, requireString) || undefined;
  refuseSchema1(record, stated ?? expectedMediaType, where);
  if (record.schemaVersion !== 2) {
    throw invalid(where, `schemaVersion ${JSON.stringify(record.schemaVersion)}, expected 2`);
  }
  const kind = kindOfFields(record, where);
  const mediaType = agreedMediaType(kind, stated, expectedMediaType, where);
  return kind === 'index' ? readIndex(record, mediaType, where) : readManifest(record, mediaType, where);
}

function refuseSchema1(record: UnknownRecord, mediaType: string | undefined, where: string): void {
  if (record.schemaVersion !== 1 && !(mediaType !== undefined && isSchema1(essence(mediaType)))) return;
  throw new CoracleError('UNSUPPORTED', `parse ${where}: a Docker schema 1 manifest`, {
    hint: 'push the image again with a current tool, e.g. skopeo copy --format oci',
  });
}

function kindOfFields(record: UnknownRecord, where: string): Manifest['kind'] {
  const listed = record.manifests !== undefined;
  if (listed && (record.layers !== undefined || record.config !== undefined)) {
    throw invalid(where, 'both an index (manifests) and a manifest (config, layers)');
  }
  return listed ? 'index' : 'manifest';
}

/** The media type, once body, fields and expectation agree. */
function agreedMediaType(
  kind: Manifest['kind'],
  stated: string | undefined,
  expectedMediaType: string | undefined,
  where: string,
): string {
  const fits = kind === 'index' ? isIndex : isManifest;
  if (stated !== undefined && !fits(stated)) {
    throw invalid(
      where,
      `mediaType ${JSON.stringify(stated)} on a document with the fields of the kind ${kind}`,
    );
  }
  const expected = meaningfulType(expectedMediaType);
  if (expected === undefined) return stated ?? (kind === 'index' ? ociTypes.index : ociTypes.manifest);
  if (!fits(expected))
    throw invalid(where, `announced as ${expected}, but has the fields of the kind ${kind}`);
  if (stated !== undefined && stated !== expected) {
    throw invalid(where, `announced as ${expected}, but says it is ${stated}`);
  }
  return expected;
}

function meaningfulType(mediaType: string | undefined): string | undefined {
  const type = essence(mediaType ?? '');
  return ['', 'application/json', 'application/octet-stream', 'text/plain'].includes(type) ? undefined : type;
}

function readManifest(record: UnknownRecord, mediaType: string, where: string): ImageManifest {
  const layers = requireArray(record.layers ?? [], `${where}.layers`);
  return {
    kind: 'manifest',
    mediaType,
    ...present('artifactType', optional(record.artifactType, `${where}.artifactType`, requireString)),
    config: parseDescriptor(record.config, `${where}.config`),
    layers: layers.map((layer, index) => parseDescriptor(layer, `${where}.layers[${index}]`)),
    ...readCommon(record, where),
  };
}

function readIndex(record: UnknownRecord, mediaType: string, where: string): ImageIndex {
  const manifests = requireArray(record.manifests ?? [], `${where}.manifests`);
  return {
    kind: 'index',
    mediaType,
    ...present('artifactType', optional(record.artifactType, `${where}.artifactType`, requireString)),
    manifests: manifests.map((entry, index) => parseDescriptor(entry, `${where}.manifests[${index}]`)),
    ...readCommon(record, where),
  };
}

function readCommon(record: UnknownRecord, where: string): Pick<Manifest, 'subject' | 'annotations'> {
  return {
    ...present('subject', optional(record.subject, `${where}.subject`, parseDescriptor)),
    ...present('annotations', optional(record.annotations, `${where}.annotations`, requireStringMap)),
  };
}

/** The JSON of a manifest or index, fields in the specification's order, no white space: equal data, equal bytes. */
export function serializeManifest(manifest: Manifest): string {
  const { mediaType, artifactType, subject, annotations } = manifest;
  return JSON.stringify({
    schemaVersion: 2,
    mediaType,
    ...present('artifactType', artifactType),
    ...(manifest.kind === 'index'
      ? { manifests: manifest.manifests.map(orderDescriptor) }
      : { config: orderDescriptor(manifest.config), layers: manifest.layers.map(orderDescriptor) }),
    ...present('subject', subject === undefined ? undefined : orderDescriptor(subject)),
    ...present('annotations', annotations === undefined ? undefined : sortedRecord(annotations)),
  });
}
