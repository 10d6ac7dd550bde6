/** How a transfer reaches its registry: TLS, credentials and retries as a person asks for them. */
import { userInfo } from 'node:os';
import { CoracleError, type ErrorCode } from '../errors.js';
import { formatReference, type Reference } from '../oci/reference.js';
import { createRegistryClient, type RegistryClient } from '../registry/client.js';
import { parseCredentials, storedCredentials } from '../registry/credentials.js';
import { type FetchedManifest, getManifest } from '../registry/manifests.js';
import type { Environment } from '../registry/proxy.js';
import { isInsecure, type PullSource, pullSources } from '../registry/pull-sources.js';
import { type Registries, readRegistries } from '../registry/registries.js';
import { defaultRetryPolicy } from '../registry/retry.js';
import type { ChooseName } from '../registry/short-names.js';
import type { OnTransferEvent } from './events.js';

/** The options all transfers with registries share. */
export type RegistryAccess = {
  /** false: plain HTTP or any certificate is fine; unset: only for loopback hosts. */
  readonly tlsVerify?: boolean;
  /** The file with credentials, instead of the usual ones. */
  readonly authfile?: string;
  /** `USER[:PASSWORD]`, instead of stored ones. */
  readonly creds?: string;
  /** A directory with certificates for this registry. */
  readonly certDir?: string;
  /** A policy.json, instead of the user's or the host's. */
  readonly signaturePolicy?: string;
  /** Attempts after the first. */
  readonly retry?: number;
  /** Milliseconds before the first repetition. */
  readonly retryDelay?: number;
  /** Ends the transfer; what is half there stays for a later one. */
  readonly signal?: AbortSignal;
  /** Asks which of several registries' images a name without a registry means; missing where nobody can be asked. */
  readonly chooseName?: ChooseName;
  /** For proxies, certificates and the place of stored credentials; the process's own by default. */
  readonly env?: Environment;
};

/** A client for what is below a name, `host[:port][/repository]`; nothing is sent yet. The caller closes it. @throws FORBIDDEN where registries.conf blocks it */
export async function openRegistry(
  name: string,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
): Promise<RegistryClient> {
  const registries = await readRegistries(access.env ?? process.env);
  const own = isInsecure(registries, name) ? { tlsVerify: false, ...access } : access;
  return makeClient(name.split('/')[0] ?? name, own, { onEvent, registries });
}

/** An image that was found, and the registry that has it: a mirror, or where its name leads. */
export type OpenedImage = {
  /** The caller closes it. */
  readonly client: RegistryClient;
  /** There. */
  readonly repository: string;
  readonly root: FetchedManifest;
};

/**
 * Reads what a reference points at from the first of its places that has it.
 * @throws what the last place said, and the others before it
 */
export function openImage(
  reference: Reference,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
): Promise<OpenedImage> {
  return tryPlaces(reference, access, onEvent, async (opened) => opened);
}

/**
 * Has all of an image read from one of its places: from the next one where a place has the manifest, but breaks off or has
 * other bytes than it should. The client is closed afterwards.
 * @throws what the last place said, and the others before it; at once what is no place's fault
 */
export function readImageFrom<T>(
  reference: Reference,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
  read: (opened: OpenedImage) => Promise<T>,
): Promise<T> {
  return tryPlaces(reference, access, onEvent, async (opened) => {
    const result = await read(opened);
    await opened.client.close();
    return result;
  });
}

/** What reading from another place can mend. */
const faultsOfPlaces: readonly ErrorCode[] = [
  'NETWORK',
  'REGISTRY',
  'INTEGRITY',
  'NOT_FOUND',
  'UNAUTHORIZED',
];

async function tryPlaces<T>(
  reference: Reference,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
  use: (opened: OpenedImage) => Promise<T>,
): Promise<T> {
  const registries = await readRegistries(access.env ?? process.env);
  const sources = pullSources(registries, reference);
  const failures: string[] = [];
  for (const source of sources) {
    const own = sourceAccess(source, reference, access);
    const client = makeClient(source.reference.registry, own, { onEvent, registries });
    let root: FetchedManifest | undefined;
    try {
      root = await getManifest(client, source.reference);
      return await use({ client, repository: source.reference.repository, root });
    } catch (error) {
      await client.close();
      if (!(error instanceof CoracleError) || error.code === 'ABORTED') throw error;
      if (root !== undefined && !faultsOfPlaces.includes(error.code)) throw error;
      if (source !== sources.at(-1)) {
        failures.push(error.message);
        onEvent({ kind: 'message', text: `${error.message}; trying the next place` });
      } else throw failures.length === 0 ? error : withFailures(error, failures);
    }
  }
  throw new CoracleError('INTERNAL', `read ${formatReference(reference)}: no place to read it from`);
}

function withFailures(error: CoracleError, failures: readonly string[]): CoracleError {
  const { code, message, hint } = error;
  return new CoracleError(code, `${message} (mirrors failed too: ${failures.join('; ')})`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** A delay that a person asks for is not shortened by the bound of the doubling. */
function delays(delay: number): { readonly delay: number; readonly maximumDelay: number } {
  const possible = Math.min(delay, 2 ** 31 - 1);
  return { delay: possible, maximumDelay: Math.max(defaultRetryPolicy.maximumDelay, possible) };
}

/** What was given for the registry of a name is not for a mirror's eyes. */
function sourceAccess(
  { insecure, reference: { registry } }: PullSource,
  asked: Reference,
  access: RegistryAccess,
): RegistryAccess {
  const { creds, certDir, ...rest } = access;
  const own = registry === asked.registry ? access : rest;
  return insecure ? { tlsVerify: false, ...own } : own;
}

function makeClient(
  registry: string,
  access: RegistryAccess,
  { onEvent, registries }: { readonly onEvent: OnTransferEvent; readonly registries: Registries },
): RegistryClient {
  const env = access.env ?? process.env;
  const { creds, authfile, tlsVerify, certDir, signal, retry, retryDelay } = access;
  const uid = process.getuid?.() ?? userInfo().uid;
  const given = creds === undefined ? undefined : parseCredentials(creds);
  return createRegistryClient({
    registry,
    tlsVerify,
    certDir,
    signal,
    env,
    credentials:
      given === undefined
        ? storedCredentials({ registry, authfile, env, uid, helpers: registries.credentialHelpers })
        : () => Promise.resolve(given),
    retry: {
      ...(retry === undefined ? {} : { retries: retry }),
      ...(retryDelay === undefined ? {} : delays(retryDelay)),
    },
    onWarning: (text) => onEvent({ kind: 'message', text }),
    onRetry: ({ attempt, error }) =>
      onEvent({ kind: 'message', text: `${error.message}; trying again (${attempt})` }),
  });
}
