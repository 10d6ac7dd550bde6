/** Logging in and out: credentials checked against the registry, then written where other tools find them. */
import { CoracleError } from '../errors.js';
import { editUserFile } from '../host/user-file.js';
import { requireObject, type UnknownRecord } from '../oci/guards.js';
import {
  type AuthFile,
  dockerAuthFile,
  normalizeKey,
  ownAuthFiles,
  readAuthFile,
  writableAuthFile,
} from './auth-file.js';
import { createRegistryClient, type RegistryOptions } from './client.js';
import { eraseFromHelper, listHelper, storeInHelper } from './credential-helper.js';
import { type CredentialSources, type Credentials, filesHelper, serverName } from './credentials.js';

/** Asks the registry whether it takes these credentials; UNAUTHORIZED where it does not. */
export async function verifyLogin(
  credentials: Credentials,
  options: Omit<RegistryOptions, 'credentials'>,
): Promise<void> {
  const client = createRegistryClient({ ...options, credentials: () => Promise.resolve(credentials) });
  try {
    await client.ping();
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'NOT_FOUND') {
      throw new CoracleError('REGISTRY', `connect to ${options.registry}: it is no registry: no /v2/ there`, {
        cause: error,
      });
    }
    throw error;
  } finally {
    await client.close();
  }
}

/**
 * Stores credentials for a registry: with the helper the file names for it, else in the file. The file is the one
 * that already has an entry for the registry and is read first, so the new entry is the one that counts; else
 * `writableAuthFile`. Resolves with the path of the file, or the name of the helper's program.
 */
export async function storeLogin(sources: CredentialSources, credentials: Credentials): Promise<string> {
  const { registry, env } = sources;
  const target = existingFile(sources) ?? writableAuthFile(sources);
  const file = readAuthFile(target);
  const helper = file?.helpers.get(registry) ?? file?.store ?? firstHelper(sources);
  if (helper !== undefined) {
    requireWhole(sources, helper);
    await storeInHelper(helper, serverName(registry), credentials, env);
    return `docker-credential-${helper}`;
  }
  if (sources.compatFile !== undefined) requireWhole(sources, sources.compatFile);
  const name = sources.compatFile === undefined ? keyOf(sources) : serverName(registry);
  const key = keyOf(sources);
  await editAuths(target, (auths) => ({ ...withoutKey(auths, key), [name]: entryOf(credentials) }));
  return target;
}

/** The key of a login in a file: of a registry, or of a namespace below it. */
function keyOf({ registry, namespace }: CredentialSources): string {
  return namespace === undefined ? registry : `${registry}/${namespace}`;
}

/** The program that registries.conf wants asked before any file. */
function firstHelper({ helpers, authfile, compatFile }: CredentialSources): string | undefined {
  const [first] = (authfile ?? compatFile) === undefined ? (helpers ?? []) : [];
  return first === filesHelper ? undefined : first;
}

/** Helpers and Docker's files know whole registries only. */
function requireWhole(sources: CredentialSources, where: string): void {
  if (sources.namespace === undefined) return;
  throw new CoracleError(
    'USAGE',
    `store credentials for ${keyOf(sources)}: ${where} keeps those of whole registries`,
    {
      hint: `log in to ${sources.registry}, or use another --authfile`,
    },
  );
}

/** The first of Podman's files that has an entry for the registry; Docker's own file is left to Docker. */
function existingFile(sources: CredentialSources): string | undefined {
  return ownAuthFiles(sources).find((path) => readAuthFile(path)?.credentials.has(keyOf(sources)) === true);
}

/**
 * Removes a registry's credentials from Podman's files and their helpers. Resolves with what held them.
 * NOT_FOUND where nobody is logged in there, with a hint where only Docker's file has them.
 */
export async function removeLogin(sources: CredentialSources): Promise<readonly string[]> {
  const { registry, env } = sources;
  const key = keyOf(sources);
  const removed: string[] = [];
  for (const path of ownAuthFiles(sources)) {
    const file = readAuthFile(path);
    const helper = file?.helpers.get(registry) ?? file?.store;
    if (helper !== undefined && sources.namespace === undefined) {
      await eraseFromHelper(helper, serverName(registry), env);
      removed.push(`docker-credential-${helper}`);
    }
    if (file?.credentials.has(key) !== true) continue;
    await editAuths(path, (auths) => withoutKey(auths, key));
    removed.push(path);
  }
  const helper = firstHelper(sources);
  if (helper !== undefined && sources.namespace === undefined) {
    await eraseFromHelper(helper, serverName(registry), env);
    removed.push(`docker-credential-${helper}`);
  }
  if (removed.length > 0) return removed;
  const docker = dockerAuthFile(sources);
  const elsewhere = docker !== undefined && readAuthFile(docker)?.credentials.has(key) === true;
  throw new CoracleError('NOT_FOUND', `log out of ${key}: not logged in`, {
    ...(elsewhere ? { hint: `${docker} has credentials for it: use docker logout` } : {}),
  });
}

/** Removes all credentials from Podman's files and the helpers they name; Docker's file is left to Docker. Resolves with what held some. */
export async function removeAllLogins(
  sources: Omit<CredentialSources, 'registry'>,
): Promise<readonly string[]> {
  const { env } = sources;
  const removed: string[] = [];
  for (const path of ownAuthFiles(sources)) {
    const file = readAuthFile(path);
    if (file === undefined) continue;
    for (const [server, helper] of await heldByHelpers(file, env)) {
      await eraseFromHelper(helper, server, env);
      removed.push(`docker-credential-${helper}`);
    }
    if (Object.keys(requireObject(file.document.auths ?? {}, `${path}: auths`)).length === 0) continue;
    await editAuths(path, () => ({}));
    removed.push(path);
  }
  return [...new Set(removed)];
}

/** Servers and the helpers of a file that keep credentials for them. */
async function heldByHelpers(
  { helpers, store }: AuthFile,
  env: CredentialSources['env'],
): Promise<readonly (readonly [string, string])[]> {
  const single = [...helpers].map(([registry, helper]) => [serverName(registry), helper] as const);
  const listed = store === undefined ? [] : await listHelper(store, env);
  return [...single, ...listed.map((server) => [server, store ?? ''] as const)];
}

function withoutKey(auths: UnknownRecord, registry: string): UnknownRecord {
  return Object.fromEntries(Object.entries(auths).filter(([key]) => normalizeKey(key) !== registry));
}

function entryOf(credentials: Credentials): UnknownRecord {
  if (credentials.kind === 'identity-token') return { auth: '', identitytoken: credentials.token };
  if (credentials.username.includes(':')) {
    throw new CoracleError('USAGE', `store credentials: the user name ${credentials.username} has a colon`);
  }
  const pair = `${credentials.username}:${credentials.password}`;
  return { auth: Buffer.from(pair).toString('base64') };
}

/** Changes `auths` of a file, all else kept. */
async function editAuths(path: string, change: (auths: UnknownRecord) => UnknownRecord): Promise<void> {
  await editUserFile(path, () => {
    const document = readAuthFile(path)?.document ?? {};
    const auths = requireObject(document.auths ?? {}, `${path}: auths`);
    return `${JSON.stringify({ ...document, auths: change(auths) }, null, '\t')}\n`;
  });
}
