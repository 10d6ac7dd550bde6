/** volume.json: a volume as it was made. It never changes afterwards. */
import {
  optional,
  present,
  requireBoolean,
  requireObject,
  requireString,
  requireStringMap,
} from '../oci/guards.js';

export type VolumeRecord = {
  readonly version: 1;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  /** It has no name that a person chose. */
  readonly anonymous: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  /** What `--opt` said, by name; `parseVolumeOptions` reads it. */
  readonly options?: Readonly<Record<string, string>>;
};

/** What is wanted of a volume beyond its name. */
export type NewVolume = {
  readonly anonymous?: boolean | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
};

/** The record of a volume made now. Empty maps are left out. */
export function newVolumeRecord(
  name: string,
  { anonymous = false, labels, options }: NewVolume,
): VolumeRecord {
  const created = new Date().toISOString();
  return {
    version: 1,
    name,
    created,
    anonymous,
    ...present('labels', unlessEmpty(labels)),
    ...present('options', unlessEmpty(options)),
  };
}

function unlessEmpty(
  map: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  return map === undefined || Object.keys(map).length === 0 ? undefined : map;
}

/** @throws INVALID naming `where`. */
export function parseVolumeRecord(value: unknown, where: string): VolumeRecord {
  const { name, created, anonymous, labels, options } = requireObject(value, where);
  return {
    version: 1,
    name: requireString(name, `${where}: name`),
    created: requireString(created, `${where}: created`),
    anonymous: requireBoolean(anonymous, `${where}: anonymous`),
    ...present('labels', optional(labels, `${where}: labels`, requireStringMap)),
    ...present('options', optional(options, `${where}: options`, requireStringMap)),
  };
}
