/**
 * One file of containers-registries.conf(5), version 2, as typed values. What it does not know it passes over, as
 * the other readers of these files do; a value of the wrong type is INVALID and names the file.
 * https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md
 */
import { CoracleError } from '../errors.js';
import {
  invalid,
  optional,
  requireArray,
  requireBoolean,
  requireObject,
  requireString,
  requireStringMap,
  requireStrings,
  type UnknownRecord,
} from '../oci/guards.js';
import { parseReference } from '../oci/reference.js';

/** For which references a mirror is asked. */
export type PullFromMirror = 'all' | 'digest-only' | 'tag-only';

/** Where a namespace is really kept. */
export type Endpoint = {
  /** `host[:port][/namespace]`; empty: the reference stays as it is. */
  readonly location: string;
  /** Plain HTTP and any certificate are fine. */
  readonly insecure: boolean;
};

export type Mirror = Endpoint & { readonly pullFromMirror: PullFromMirror };

/** A `[[registry]]` table. */
export type RegistryEntry = Endpoint & {
  /** `host[:port][/namespace[:tag]]`, or `*.domain`. */
  readonly prefix: string;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
  /** The file that says so. */
  readonly file: string;
};

/** How a name without a registry is resolved where there are several answers. */
export type ShortNameMode = 'enforcing' | 'permissive' | 'disabled';

export type RegistriesFile = {
  readonly path: string;
  readonly search: readonly string[] | undefined;
  readonly credentialHelpers: readonly string[] | undefined;
  readonly shortNameMode: ShortNameMode | undefined;
  /** An empty value takes an alias of an earlier file away. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly entries: readonly RegistryEntry[];
};

const modes = ['enforcing', 'permissive', 'disabled'] as const;
const choices = ['all', 'digest-only', 'tag-only'] as const;

/** Reads the document that a file's TOML stands for. @throws INVALID, UNSUPPORTED for version 1 */
export function parseRegistriesFile(value: unknown, path: string): RegistriesFile {
  const document = requireObject(value, path);
  if (document.registries !== undefined) {
    throw new CoracleError('UNSUPPORTED', `parse ${path}: [registries] is version 1 of this format`, {
      hint: 'write unqualified-search-registries and [[registry]] tables, see containers-registries.conf(5)',
    });
  }
  const entries = optional(document.registry, `${path}: registry`, requireArray) ?? [];
  const helpers = document['credential-helpers'];
  return {
    path,
    search: readSearch(document['unqualified-search-registries'], path),
    credentialHelpers: readHelpers(helpers, path),
    shortNameMode: readMode(document['short-name-mode'], path),
    aliases: readAliases(document.aliases, path),
    entries: entries.map((entry, at) => readEntry(entry, `${path}: registry[${at}]`, path)),
  };
}

function readSearch(value: unknown, path: string): readonly string[] | undefined {
  const where = `${path}: unqualified-search-registries`;
  const list = optional(value, where, requireStrings);
  return list?.map((text) => {
    const location = readLocation(text, where);
    if (location.includes('/') || !isRegistryHost(location)) {
      throw invalid(where, `${JSON.stringify(text)} is no host or host:port`);
    }
    return location;
  });
}

function readHelpers(value: unknown, path: string): readonly string[] | undefined {
  const where = `${path}: credential-helpers`;
  const names = optional(value, where, requireStrings);
  const bad = names?.find((name) => !/^[a-z0-9._-]+$/.test(name));
  if (bad === undefined) return names;
  throw invalid(where, `${JSON.stringify(bad)} is no name of a credential helper`);
}

function isRegistryHost(text: string): boolean {
  try {
    return (
      parseReference(`${text.includes('.') || text.includes(':') ? text : `${text}:80`}/x`) !== undefined
    );
  } catch (error) {
    if (error instanceof CoracleError) return false;
    throw error;
  }
}

function readMode(value: unknown, path: string): ShortNameMode | undefined {
  if (value === undefined || value === '') return undefined;
  const mode = modes.find((known) => known === value);
  if (mode !== undefined) return mode;
  throw invalid(`${path}: short-name-mode`, `${JSON.stringify(value)} is none of ${modes.join(', ')}`);
}

function readAliases(value: unknown, path: string): Readonly<Record<string, string>> {
  const aliases = requireStringMap(value ?? {}, `${path}: aliases`);
  for (const [name, full] of Object.entries(aliases)) {
    if (full !== '' && !isFullName(full)) {
      throw invalid(`${path}: aliases.${name}`, `${JSON.stringify(full)} is no REGISTRY/NAME without a tag`);
    }
  }
  return aliases;
}

function isFullName(text: string): boolean {
  try {
    const { registry } = parseReference(text);
    const bare = !/[@]|:[^/]*$/.test(text);
    return bare && text.includes('/') && (registry !== 'docker.io' || text.startsWith('docker.io/'));
  } catch (error) {
    if (error instanceof CoracleError) return false;
    throw error;
  }
}

function readEntry(value: unknown, where: string, file: string): RegistryEntry {
  const table = requireObject(value, where);
  const text = (name: string): string => requireString(table[name] ?? '', `${where}.${name}`);
  const flag = (name: string): boolean => requireBoolean(table[name] ?? false, `${where}.${name}`);
  const given = readLocation(text('location'), where);
  const prefix = text('prefix') === '' ? given : readLocation(text('prefix'), where);
  if (prefix === '') throw invalid(where, 'neither prefix nor location is set');
  const wild = prefix.startsWith('*.');
  const digestOnly = flag('mirror-by-digest-only');
  if (table['pull-from-mirror'] !== undefined) {
    throw invalid(where, 'pull-from-mirror belongs to [[registry.mirror]]');
  }
  const mirrors = optional(table.mirror, `${where}.mirror`, requireArray) ?? [];
  return {
    prefix,
    location: given === '' && !wild ? prefix : given,
    insecure: flag('insecure'),
    blocked: flag('blocked'),
    mirrors: mirrors.map((mirror, at) => readMirror(mirror, `${where}.mirror[${at}]`, digestOnly)),
    file,
  };
}

function readMirror(value: unknown, where: string, digestOnly: boolean): Mirror {
  const table: UnknownRecord = requireObject(value, where);
  const location = readLocation(requireString(table.location ?? '', `${where}.location`), where);
  if (location === '') throw invalid(where, 'location is not set');
  const insecure = requireBoolean(table.insecure ?? false, `${where}.insecure`);
  const said = table['pull-from-mirror'];
  if (said === undefined || said === '') {
    return { location, insecure, pullFromMirror: digestOnly ? 'digest-only' : 'all' };
  }
  if (digestOnly) throw invalid(where, 'pull-from-mirror and mirror-by-digest-only exclude each other');
  const pullFromMirror = choices.find((known) => known === said);
  if (pullFromMirror !== undefined) return { location, insecure, pullFromMirror };
  throw invalid(`${where}.pull-from-mirror`, `${JSON.stringify(said)} is none of ${choices.join(', ')}`);
}

/** Without a slash at its end; a scheme has no place there. */
function readLocation(text: string, where: string): string {
  if (/^[a-z]+:\/\//i.test(text)) {
    throw invalid(
      where,
      `${JSON.stringify(text)}: a location has no scheme; insecure = true allows plain HTTP`,
    );
  }
  return text.replace(/\/+$/, '');
}
