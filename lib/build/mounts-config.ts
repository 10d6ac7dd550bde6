/** Which cache mounts an exported image holds: its config, a mount for each layer. */
import {
  invalid,
  optional,
  parseJson,
  present,
  requireArray,
  requireObject,
  requireSize,
  requireString,
} from '../oci/guards.js';
import type { CacheMountIdentity, CacheMountOwner } from './cache-mounts.js';

export const mountsConfigType = 'application/vnd.coracle.build.mounts.v1+json';
export const mountsConfigLimit = 4 * 1024 * 1024;

const textLimit = 4096;

export type MountsConfig = { readonly mounts: readonly CacheMountIdentity[] };

/** Reads a config from outside, for a manifest of `layerCount` layers. @throws INVALID */
export function parseMountsConfig(text: string, where: string, layerCount: number): MountsConfig {
  const record = requireObject(parseJson(text, where), where);
  if (record.version !== 1)
    throw invalid(`${where}.version`, `${JSON.stringify(record.version)}, expected 1`);
  const mounts = requireArray(record.mounts, `${where}.mounts`);
  if (mounts.length !== layerCount)
    throw invalid(`${where}.mounts`, `${mounts.length} for ${layerCount} layers`);
  return { mounts: mounts.map((item, index) => parseIdentity(item, `${where}.mounts[${index}]`)) };
}

function parseIdentity(value: unknown, where: string): CacheMountIdentity {
  const record = requireObject(value, where);
  return {
    namespace: parseText(record.namespace, `${where}.namespace`),
    id: parseText(record.id, `${where}.id`),
    ...present('from', optional(record.from, `${where}.from`, parseText)),
    ...present('owner', optional(record.owner, `${where}.owner`, parseOwner)),
  };
}

function parseText(value: unknown, where: string): string {
  const text = requireString(value, where);
  if (text.length <= textLimit) return text;
  throw invalid(where, `${text.length} characters`);
}

function parseOwner(value: unknown, where: string): CacheMountOwner {
  const record = requireObject(value, where);
  const mode = requireSize(record.mode, `${where}.mode`);
  if (mode > 0o7777) throw invalid(`${where}.mode`, mode.toString(8));
  return { uid: requireSize(record.uid, `${where}.uid`), gid: requireSize(record.gid, `${where}.gid`), mode };
}
