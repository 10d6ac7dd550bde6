/** Logging in and out: credentials checked against the registry, then written where other tools find them. */
import { CoracleError } from '../errors.js';
import { editUserFile } from '../host/user-file.js';
import { requireObject, type UnknownRecord } from '../oci/guards.js';
import { dockerAuthFile, normalizeKey, ownAuthFiles, readAuthFile, writableAuthFile } from './auth-file.js';
import { createRegistryClient, type RegistryOptions } from './client.js';
import { eraseFromHelper, storeInHelper } from './credential-helper.js';
import { type CredentialSources, type Credentials, serverName } from './credentials.js';

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
  const helper = file?.helpers.get(registry) ?? file?.store;
  if (helper !== undefined) {
    await storeInHelper(helper, serverName(registry), credentials, env);
    return `docker-credential-${helper}`;
  }
  await editAuths(target, (auths) => ({ ...withoutKey(auths, registry), [registry]: entryOf(credentials) }));
  return target;
}

/** The first of Podman's files that has an entry for the registry; Docker's own file is left to Docker. */
function existingFile(sources: CredentialSources): string | undefined {
  return ownAuthFiles(sources).find((path) => readAuthFile(path)?.credentials.has(sources.registry) === true);
}

/**
 * Removes a registry's credentials from Podman's files and their helpers. Resolves with what held them.
 * NOT_FOUND where nobody is logged in there, with a hint where only Docker's file has them.
 */
export async function removeLogin(sources: CredentialSources): Promise<readonly string[]> {
  const { registry, env } = sources;
  const removed: string[] = [];
  for (const path of ownAuthFiles(sources)) {
    const file = readAuthFile(path);
    const helper = file?.helpers.get(registry) ?? file?.store;
    if (helper !== undefined) {
      await eraseFromHelper(helper, serverName(registry), env);
      removed.push(`docker-credential-${helper}`);
    }
    if (file?.credentials.has(registry) !== true) continue;
    await editAuths(path, (auths) => withoutKey(auths, registry));
    removed.push(path);
  }
  if (removed.length > 0) return removed;
  const docker = dockerAuthFile(sources);
  const elsewhere = docker !== undefined && readAuthFile(docker)?.credentials.has(registry) === true;
  throw new CoracleError('NOT_FOUND', `log out of ${registry}: not logged in`, {
    ...(elsewhere ? { hint: `${docker} has credentials for it: use docker logout` } : {}),
  });
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
