/**
 * An exported cache: an OCI image manifest whose layers are ordinary layers and whose config says which results of steps they
 * are. Inline, the image's own manifest carries the same in an annotation.
 */
import { type DiffId, parseDiffId } from '../oci/chain-id.js';
import type { Descriptor } from '../oci/descriptor.js';
import {
  invalid,
  optional,
  parseJson,
  requireArray,
  requireBoolean,
  requireObject,
  requireSize,
  requireString,
} from '../oci/guards.js';
import type { CacheKey } from './cache-key.js';

/** Media type of an exported cache's config. */
export const cacheConfigType = 'application/vnd.coracle.build.cache.v1+json';

/** Annotation of an image's manifest that holds its inline cache. */
export const inlineCacheAnnotation = 'dev.coracle.build.cache.v1';

/** The most bytes a cache's config may have, and the most records. */
export const cacheConfigLimit = 16 * 1024 * 1024;
const recordLimit = 100_000;
const layerLimit = 500;

/** One step's result. */
export type CacheEntry = {
  /** The names under which a build looks for it. */
  readonly claims: readonly CacheKey[];
  /** What the result is called by the steps above it. */
  readonly result: CacheKey;
  /** RFC 3339. */
  readonly created: string;
  readonly madeLayer: boolean;
  /** The layers above the stage's base image, lowest first, by their place in the manifest. */
  readonly layers: readonly number[];
};

export type CacheConfig = {
  /** Of each of the manifest's layers. Absent inline, where the image's config has them. */
  readonly diffIds: readonly DiffId[] | undefined;
  readonly entries: readonly CacheEntry[];
};

/** A cache as it was found: its layers, what they are, and whose results. */
export type CacheManifest = {
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly DiffId[];
  readonly entries: readonly CacheEntry[];
};

/** The text of a config or annotation; equal caches give equal texts. */
export function serializeCacheConfig({ diffIds, entries }: CacheConfig): string {
  const records = entries.map(({ claims, result, created, madeLayer, layers }) => ({
    claims,
    result,
    created,
    madeLayer,
    layers,
  }));
  return JSON.stringify({ version: 1, ...(diffIds === undefined ? {} : { diffIds }), records });
}

/** Reads a config from outside, for a manifest of `layerCount` layers. @throws INVALID */
export function parseCacheConfig(text: string, where: string, layerCount: number): CacheConfig {
  if (text.length > cacheConfigLimit) throw invalid(where, `${text.length} bytes`);
  const record = requireObject(parseJson(text, where), where);
  if (record.version !== 1)
    throw invalid(`${where}.version`, `${JSON.stringify(record.version)}, expected 1`);
  const diffIds = optional(record.diffIds, `${where}.diffIds`, (value, place) =>
    requireArray(value, place).map((item, index) => parseDiffId(item, `${place}[${index}]`)),
  );
  if (diffIds !== undefined && diffIds.length !== layerCount)
    throw invalid(`${where}.diffIds`, `${diffIds.length} for ${layerCount} layers`);
  const records = requireArray(record.records, `${where}.records`);
  if (records.length > recordLimit) throw invalid(`${where}.records`, `${records.length} records`);
  const entries = records.map((item, index) => parseEntry(item, `${where}.records[${index}]`, layerCount));
  return { diffIds, entries };
}

function parseEntry(value: unknown, where: string, layerCount: number): CacheEntry {
  const record = requireObject(value, where);
  const layers = requireArray(record.layers, `${where}.layers`).map((item, index) => {
    const place = requireSize(item, `${where}.layers[${index}]`);
    if (place < layerCount) return place;
    throw invalid(`${where}.layers[${index}]`, `there is no layer ${place}`);
  });
  if (layers.length > layerLimit) throw invalid(`${where}.layers`, `${layers.length} layers`);
  const created = requireString(record.created, `${where}.created`);
  if (!Number.isFinite(Date.parse(created))) throw invalid(`${where}.created`, JSON.stringify(created));
  return {
    claims: requireArray(record.claims, `${where}.claims`).map((item) => parseKey(item, `${where}.claims`)),
    result: parseKey(record.result, `${where}.result`),
    created,
    madeLayer: requireBoolean(record.madeLayer, `${where}.madeLayer`),
    layers,
  };
}

function parseKey(value: unknown, where: string): CacheKey {
  const text = requireString(value, where);
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw invalid(where, `${JSON.stringify(text.slice(0, 80))} is no key`);
}
