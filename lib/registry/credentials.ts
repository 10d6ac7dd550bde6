/**
 * Which credentials apply to a repository: the files of Podman and Docker in Podman's order, and the credential
 * helpers they name.
 */
import { CoracleError } from '../errors.js';
import { type AuthFile, authKeys, readAuthFile, readableAuthFiles } from './auth-file.js';
import { askHelper } from './credential-helper.js';
import type { Environment } from './proxy.js';

/** What proves who we are: a name and password, or a token to exchange for access tokens. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string };

/** Looks credentials up for a repository, or for the registry as a whole. */
export type CredentialsProvider = (repository?: string) => Promise<Credentials | undefined>;

/** Where to look. */
export type CredentialSources = {
  /** As in a reference. */
  readonly registry: string;
  /** Below the registry: what a login is for alone. */
  readonly namespace?: string | undefined;
  /** The only file to read, instead of the usual ones. */
  readonly authfile?: string | undefined;
  /** A file of Docker's kind to write to, instead of the usual ones. */
  readonly compatFile?: string | undefined;
  /** As registries.conf has them: programs, and `containers-auth.json` for the files; the files alone by default. */
  readonly helpers?: readonly string[] | undefined;
  readonly env: Environment;
  readonly uid: number;
};

/** What stands for the files in a list of helpers. */
export const filesHelper = 'containers-auth.json';

/** Reads `USER[:PASSWORD]` as `--creds` takes it; USAGE where there is no user. */
export function parseCredentials(text: string): Credentials {
  const colon = text.indexOf(':');
  const username = colon < 0 ? text : text.slice(0, colon);
  if (username === '') throw new CoracleError('USAGE', 'parse credentials: expected USER:PASSWORD');
  return { kind: 'password', username, password: colon < 0 ? '' : text.slice(colon + 1) };
}

/** A provider over the files and helpers; files are read at the first question and kept. */
export function storedCredentials(sources: CredentialSources): CredentialsProvider {
  const cache = new Map<string, Promise<Credentials | undefined>>();
  return (repository = '') => {
    const found = cache.get(repository) ?? lookUp(sources, repository);
    cache.set(repository, found);
    return found;
  };
}

async function lookUp(sources: CredentialSources, repository: string): Promise<Credentials | undefined> {
  for (const helper of sources.helpers ?? [filesHelper]) {
    const found =
      helper === filesHelper
        ? await fromFiles(sources, repository)
        : await askHelper(helper, serverName(sources.registry), sources.env);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function fromFiles(sources: CredentialSources, repository: string): Promise<Credentials | undefined> {
  for (const path of readableAuthFiles(sources)) {
    const file = readAuthFile(path);
    if (file === undefined && path === sources.authfile) {
      throw new CoracleError('NOT_FOUND', `read ${path}: no such file, or it is empty`, {
        hint: 'log in first, or leave --authfile out',
      });
    }
    const found = file === undefined ? undefined : await fromFile(file, sources, repository);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** One file's answer: a helper for the registry, then the entry of the longest namespace, then the store of everything. */
async function fromFile(
  file: AuthFile,
  { registry, env }: CredentialSources,
  repository: string,
): Promise<Credentials | undefined> {
  const keys = authKeys(registry, repository);
  const hosts = authKeys(registry, '');
  const helper = hosts.map((host) => file.helpers.get(host)).find((name) => name !== undefined);
  if (helper !== undefined) {
    const found = await askHelper(helper, serverName(registry), env);
    if (found !== undefined) return found;
  }
  for (const key of keys) {
    const found = file.credentials.get(key);
    if (found !== undefined) return found;
  }
  return file.store === undefined ? undefined : askHelper(file.store, serverName(registry), env);
}

/** The name helpers know a registry by: Docker Hub has a historical one. */
export function serverName(registry: string): string {
  return registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
}
