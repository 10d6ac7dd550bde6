/** The `config` member of an image config: defaults of a container made from the image. Docker's extensions included. */
import {
  optional,
  present,
  requireBoolean,
  requireInteger,
  requireObject,
  requireString,
  requireStringMap,
  requireStrings,
  sortedRecord,
  type UnknownRecord,
  unknownFields,
} from './guards.js';

/** A JSON object whose keys are the members of a set: `{"80/tcp": {}}`. */
export type KeySet = Readonly<Record<string, Readonly<Record<string, never>>>>;

/** How a container's health is asked for. Durations in nanoseconds. */
export type Healthcheck = {
  /** `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", text]`. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
};

/** Defaults for containers of an image. */
export type ContainerConfig = {
  readonly User?: string;
  readonly ExposedPorts?: KeySet;
  /** `NAME=value`, in order. */
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: KeySet;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: Healthcheck;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
  /** Fields this version does not know. */
  readonly extra?: UnknownRecord;
};

const knownFields = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'ArgsEscaped',
  'Healthcheck',
  'OnBuild',
  'Shell',
] as const;

/** Reads the `config` member; null fields, as Docker writes them, are absent ones. */
export function parseContainerConfig(value: unknown, where: string): ContainerConfig {
  const record = requireObject(value, where);
  const field = <T>(
    name: (typeof knownFields)[number],
    guard: (value: unknown, where: string) => T,
  ): T | undefined => optional(record[name], `${where}.${name}`, guard);
  return {
    ...present('User', field('User', requireString)),
    ...present('ExposedPorts', field('ExposedPorts', parseKeySet)),
    ...present('Env', field('Env', requireStrings)),
    ...present('Entrypoint', field('Entrypoint', requireStrings)),
    ...present('Cmd', field('Cmd', requireStrings)),
    ...present('Volumes', field('Volumes', parseKeySet)),
    ...present('WorkingDir', field('WorkingDir', requireString)),
    ...present('Labels', field('Labels', requireStringMap)),
    ...present('StopSignal', field('StopSignal', requireString)),
    ...present('ArgsEscaped', field('ArgsEscaped', requireBoolean)),
    ...present('Healthcheck', field('Healthcheck', parseHealthcheck)),
    ...present('OnBuild', field('OnBuild', requireStrings)),
    ...present('Shell', field('Shell', requireStrings)),
    ...present('extra', unknownFields(record, knownFields)),
  };
}

function parseKeySet(value: unknown, where: string): KeySet {
  return keySet(Object.keys(requireObject(value, where)));
}

/** The JSON form of a set of names, sorted. */
export function keySet(names: Iterable<string>): KeySet {
  return Object.fromEntries([...names].sort().map((name) => [name, {}]));
}

function parseHealthcheck(value: unknown, where: string): Healthcheck {
  const record = requireObject(value, where);
  const number = (name: string) => optional(record[name], `${where}.${name}`, requireInteger);
  return {
    ...present('Test', optional(record.Test, `${where}.Test`, requireStrings)),
    ...present('Interval', number('Interval')),
    ...present('Timeout', number('Timeout')),
    ...present('StartPeriod', number('StartPeriod')),
    ...present('StartInterval', number('StartInterval')),
    ...present('Retries', number('Retries')),
  };
}

/** The same config with its fields in the specification's order, sets and labels sorted, unknown fields last. */
export function orderContainerConfig(config: ContainerConfig): UnknownRecord {
  const { ExposedPorts, Volumes, Labels, extra } = config;
  const sorted: UnknownRecord = {
    ...config,
    ExposedPorts: ExposedPorts === undefined ? undefined : sortedRecord(ExposedPorts),
    Volumes: Volumes === undefined ? undefined : sortedRecord(Volumes),
    Labels: Labels === undefined ? undefined : sortedRecord(Labels),
  };
  const names = knownFields.filter((name) => sorted[name] !== undefined);
  return {
    ...Object.fromEntries(names.map((name) => [name, sorted[name]])),
    ...(extra === undefined ? {} : sortedRecord(extra)),
  };
}
