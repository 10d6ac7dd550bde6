/**
 * What the user and the host say about registries: the files of containers-registries.conf(5) in their order, each
 * overriding the ones before it. Without any file a name without a registry means Docker Hub, and nothing is blocked.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { Environment } from './proxy.js';
import {
  parseRegistriesFile,
  type RegistriesFile,
  type RegistryEntry,
  type ShortNameMode,
} from './registries-file.js';

/** All files together. */
export type Registries = {
  /** Registries that a name without one is looked for in, in this order. */
  readonly search: readonly string[];
  readonly shortNameMode: ShortNameMode;
  readonly aliases: ReadonlyMap<string, string>;
  /** One per prefix. */
  readonly entries: readonly RegistryEntry[];
  /** Where credentials are, in order; undefined: the credentials files. */
  readonly credentialHelpers: readonly string[] | undefined;
  /** The files that were read, in order. */
  readonly files: readonly string[];
};

const systemDirectory = '/etc/containers';
const sizeLimit = 1024 * 1024;

/**
 * Reads the files: $CONTAINERS_REGISTRIES_CONF, else the user's own, else the host's; then the directories beside
 * them, of which the host's counts only where the user has no file of his own; then the aliases chosen at prompts.
 * @throws INVALID, IO naming the file
 */
export async function readRegistries(env: Environment): Promise<Registries> {
  const paths = registriesPaths(env);
  const texts = paths.flatMap((path) => {
    const text = readText(path, path === env.CONTAINERS_REGISTRIES_CONF);
    return text === undefined ? [] : [{ path, text }];
  });
  const files: RegistriesFile[] = [];
  for (const { path, text } of texts) files.push(parseRegistriesFile(await parseToml(text, path), path));
  return mergeRegistries(files);
}

/** The files that count, present or not. */
function registriesPaths(env: Environment): readonly string[] {
  const own = configDirectory(env);
  const user = own === undefined ? undefined : join(own, 'registries.conf');
  const userFiles = own === undefined ? [] : dropIns(join(own, 'registries.conf.d'));
  const chosen = chosenAliases(env);
  const last = chosen === undefined ? [] : [chosen];
  const given = env.CONTAINERS_REGISTRIES_CONF;
  if (!given && user !== undefined && readText(user, false) !== undefined)
    return [user, ...userFiles, ...last];
  const main = given || join(systemDirectory, 'registries.conf');
  return [main, ...dropIns(join(systemDirectory, 'registries.conf.d')), ...userFiles, ...last];
}

function configDirectory(env: Environment): string | undefined {
  const config = env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : undefined);
  return config === undefined ? undefined : join(config, 'containers');
}

/** The file that podman, too, keeps what was chosen at its prompts in; undefined without a home. */
export function chosenAliases(env: Environment): string | undefined {
  const cache = env.XDG_CACHE_HOME || (env.HOME ? join(env.HOME, '.cache') : undefined);
  return cache === undefined ? undefined : join(cache, 'containers', 'short-name-aliases.conf');
}

function dropIns(directory: string): readonly string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith('.conf'));
    return names.sort().map((name) => join(directory, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw ioError(`read ${directory}`, error);
  }
}

function readText(path: string, demanded: boolean): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length <= sizeLimit) return text;
    throw new CoracleError('INVALID', `read ${path}: more than ${sizeLimit} bytes`);
  } catch (error) {
    if (!demanded && hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}

/** @throws INVALID with the place in the file */
export async function parseToml(text: string, path: string): Promise<unknown> {
  const { parse, TomlError } = await import('smol-toml');
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [reason = ''] = error.message.split('\n');
    throw new CoracleError('INVALID', `parse ${path}: line ${error.line}: ${reason}`, {
      cause: error,
      excerpt: error.codeblock.trimEnd(),
    });
  }
}

/** Later files replace what they name: whole lists, tables of a prefix, single aliases. @throws INVALID where tables disagree */
export function mergeRegistries(files: readonly RegistriesFile[]): Registries {
  const entries = new Map<string, RegistryEntry>();
  const aliases = new Map<string, string>();
  for (const file of files) {
    for (const entry of file.entries) entries.set(entry.prefix, entry);
    for (const [name, full] of Object.entries(file.aliases)) {
      if (full === '') aliases.delete(name);
      else aliases.set(name, full);
    }
  }
  const last = <K extends keyof RegistriesFile>(key: K): RegistriesFile[K] | undefined =>
    files.findLast((file) => file[key] !== undefined)?.[key];
  const all = [...entries.values()];
  requireAgreement(all);
  return {
    search: last('search') ?? ['docker.io'],
    shortNameMode: last('shortNameMode') ?? 'permissive',
    aliases,
    entries: all,
    credentialHelpers: last('credentialHelpers'),
    files: files.map(({ path }) => path),
  };
}

/** Two tables of one location may not differ in how it is reached. */
function requireAgreement(entries: readonly RegistryEntry[]): void {
  const seen = new Map<string, RegistryEntry>();
  for (const entry of entries) {
    const other = seen.get(entry.location);
    if (other !== undefined && entry.location !== '' && other.insecure !== entry.insecure) {
      const places = [...new Set([other.file, entry.file])].join(' and ');
      throw new CoracleError(
        'INVALID',
        `parse ${places}: location ${entry.location} is insecure in one table only`,
      );
    }
    seen.set(entry.location, entry);
  }
}

/** The table for a name, the longest prefix first. */
export function entryFor({ entries }: Pick<Registries, 'entries'>, name: string): RegistryEntry | undefined {
  let best: { readonly entry: RegistryEntry; readonly length: number } | undefined;
  for (const entry of entries) {
    const length = matchedLength(name, entry.prefix);
    if (length !== undefined && (best === undefined || length > best.length)) best = { entry, length };
  }
  return best?.entry;
}

/** How much of a name a prefix covers: whole parts of it only. */
export function matchedLength(name: string, prefix: string): number | undefined {
  const length = prefix.startsWith('*.') ? wildLength(name, prefix.slice(1)) : prefix.length;
  if (length === undefined || !(prefix.startsWith('*.') || name.startsWith(prefix))) return undefined;
  return length === name.length || [':', '/', '@'].includes(name[length] ?? '') ? length : undefined;
}

function wildLength(name: string, domain: string): number | undefined {
  const at = name.indexOf(domain);
  return at <= 0 || name.slice(0, at).includes('/') ? undefined : at + domain.length;
}
