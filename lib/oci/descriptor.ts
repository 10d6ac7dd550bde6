/** Descriptors: what a blob is, its digest and its size. https://github.com/opencontainers/image-spec/blob/main/descriptor.md */
import { type Digest, parseDigest } from './digest.js';
import {
  invalid,
  optional,
  present,
  requireObject,
  requireSize,
  requireString,
  requireStringMap,
  requireStrings,
  sortedRecord,
} from './guards.js';
import { type Platform, parsePlatformRecord } from './platform.js';

/** A reference to content. `urls` and `data` are kept for a faithful round trip, never followed or trusted. */
export type Descriptor = {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes of the content as stored. */
  readonly size: number;
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** Base64 of the content itself. */
  readonly data?: string;
  readonly platform?: Platform;
  readonly artifactType?: string;
};

/** The descriptor in a decoded JSON value, or INVALID naming `where` and the field. */
export function parseDescriptor(value: unknown, where: string): Descriptor {
  const record = requireObject(value, where);
  const mediaType = requireString(record.mediaType, `${where}.mediaType`);
  if (mediaType === '' || mediaType.length > 255) throw invalid(`${where}.mediaType`, 'empty or too long');
  return {
    mediaType,
    digest: parseDigest(record.digest, `${where}.digest`),
    size: requireSize(record.size, `${where}.size`),
    ...present('urls', optional(record.urls, `${where}.urls`, requireStrings)),
    ...present('annotations', optional(record.annotations, `${where}.annotations`, requireStringMap)),
    ...present('data', optional(record.data, `${where}.data`, requireString)),
    ...present('platform', optional(record.platform, `${where}.platform`, parsePlatformRecord)),
    ...present('artifactType', optional(record.artifactType, `${where}.artifactType`, requireString)),
  };
}

/** The same descriptor with its fields in the specification's order, ready for JSON.stringify. */
export function orderDescriptor(descriptor: Descriptor): Descriptor {
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...present('urls', urls),
    ...present('annotations', annotations === undefined ? undefined : sortedRecord(annotations)),
    ...present('data', data),
    ...present('platform', platform),
    ...present('artifactType', artifactType),
  };
}
