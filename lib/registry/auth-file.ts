/**
 * Files with credentials: Podman's containers/auth.json and Docker's config.json.
 * https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md
 *
 * Logins are written to $REGISTRY_AUTH_FILE or --authfile, else to $XDG_CONFIG_HOME/containers/auth.json, which
 * outlives a reboot, unlike Podman's default below $XDG_RUNTIME_DIR.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { invalid, parseJson, requireObject, requireString, type UnknownRecord } from '../oci/guards.js';
import type { CredentialSources, Credentials } from './credentials.js';

/** A file's content. Keys are normalised: a host, or a host and a namespace. */
export type AuthFile = {
  readonly path: string;
  readonly credentials: ReadonlyMap<string, Credentials>;
  /** Helper names by host. */
  readonly helpers: ReadonlyMap<string, string>;
  /** The helper for everything else. */
  readonly store: string | undefined;
  /** The whole document, for writing back what we do not know. */
  readonly document: UnknownRecord;
};

const sizeLimit = 1024 * 1024;
const helperName = /^[a-z0-9._-]+$/;

type Locations = Omit<CredentialSources, 'registry'>;

/** The files a login goes to or is removed from, first match wins: the one file asked for, or Podman's two. */
export function ownAuthFiles(locations: Locations): readonly string[] {
  const { env, uid } = locations;
  const only = locations.compatFile ?? locations.authfile ?? (env.REGISTRY_AUTH_FILE || undefined);
  if (only !== undefined) return [only];
  const runtime = env.XDG_RUNTIME_DIR;
  const volatile = runtime ? join(runtime, 'containers') : `/run/containers/${uid}`;
  const config = configDirectory(env);
  return [
    join(volatile, 'auth.json'),
    ...(config === undefined ? [] : [join(config, 'containers', 'auth.json')]),
  ];
}

/** Docker's file, read last and never written; undefined where one file was asked for or there is no home. */
export function dockerAuthFile({ env, authfile, compatFile }: Locations): string | undefined {
  if ((compatFile ?? authfile) !== undefined || env.REGISTRY_AUTH_FILE) return undefined;
  const directory = env.DOCKER_CONFIG || (env.HOME ? join(env.HOME, '.docker') : undefined);
  return directory === undefined ? undefined : join(directory, 'config.json');
}

/** All files to look into, first match wins. */
export function readableAuthFiles(locations: Locations): readonly string[] {
  const docker = dockerAuthFile(locations);
  return [...ownAuthFiles(locations), ...(docker === undefined ? [] : [docker])];
}

/** The file a login goes to when no entry for the registry exists elsewhere; HOST where there is no home for it. */
export function writableAuthFile(locations: Locations): string {
  const file = locations.compatFile ?? locations.authfile ?? (locations.env.REGISTRY_AUTH_FILE || undefined);
  if (file !== undefined) return file;
  const config = configDirectory(locations.env);
  if (config !== undefined) return join(config, 'containers', 'auth.json');
  throw new CoracleError('HOST', 'store credentials: HOME is not set', {
    hint: 'set HOME, or name a file with --authfile',
  });
}

function configDirectory(env: Locations['env']): string | undefined {
  return env.XDG_CONFIG_HOME || (env.HOME ? join(env.HOME, '.config') : undefined);
}

/** Keys to look a repository up by, longest namespace first, the host last under each of its names. */
export function authKeys(registry: string, repository: string): readonly string[] {
  const parts = repository === '' ? [] : repository.split('/');
  const namespaces = parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
  return [...namespaces.map((namespace) => `${registry}/${namespace}`), registry];
}

/** A key as files have it in one spelling: without scheme and API version, Docker Hub's host under its name. */
export function normalizeKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  const [host = '', ...path] = bare.split('/');
  const isUrl = bare !== key || path[0] === 'v1' || path[0] === 'v2';
  const name = host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
  return isUrl || path.length === 0 ? name : `${name}/${path.join('/')}`;
}

/** Reads a file; undefined where there is none or it is empty. INVALID names the file and the field. */
export function readAuthFile(path: string): AuthFile | undefined {
  const text = readText(path);
  if (text === undefined || text.trim() === '') return undefined;
  const document = requireObject(parseJson(text, path), path);
  const auths = Object.entries(requireObject(document.auths ?? {}, `${path}: auths`));
  const credentials = new Map<string, Credentials>();
  for (const [key, value] of auths) {
    const found = parseEntry(value, `${path}: auths[${JSON.stringify(key)}]`);
    if (found !== undefined) credentials.set(normalizeKey(key), found);
  }
  const helpers = Object.entries(requireObject(document.credHelpers ?? {}, `${path}: credHelpers`));
  const store = document.credsStore;
  return {
    path,
    credentials,
    helpers: new Map(helpers.map(([key, value]) => [normalizeKey(key), parseHelper(value, path)])),
    store: store === undefined || store === null || store === '' ? undefined : parseHelper(store, path),
    document,
  };
}

function readText(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > sizeLimit) throw invalid(path, `more than ${sizeLimit} bytes`);
    return text;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    // Root's Podman keeps this directory to itself.
    if (hasErrno(error, 'EACCES') && path.startsWith('/run/containers/')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}

function parseEntry(value: unknown, where: string): Credentials | undefined {
  const entry = requireObject(value, where);
  const field = (name: string): string => requireString(entry[name] ?? '', `${where}.${name}`);
  if (field('identitytoken') !== '') return { kind: 'identity-token', token: field('identitytoken') };
  if (field('auth') === '') {
    if (field('username') === '') return undefined;
    return { kind: 'password', username: field('username'), password: field('password') };
  }
  const pair = Buffer.from(field('auth'), 'base64').toString('utf8').replace(/\0+$/, '');
  const colon = pair.indexOf(':');
  if (colon < 1) throw invalid(`${where}.auth`, 'not the base64 of USER:PASSWORD');
  return { kind: 'password', username: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

function parseHelper(value: unknown, path: string): string {
  const name = requireString(value, `${path}: credential helper`);
  if (helperName.test(name)) return name;
  throw invalid(path, `${JSON.stringify(name)} is no name of a credential helper`);
}
