/** How a transfer reaches its registry: TLS, credentials and retries as a person asks for them. */
import { userInfo } from 'node:os';
import { createRegistryClient, type RegistryClient } from '../registry/client.js';
import { parseCredentials, storedCredentials } from '../registry/credentials.js';
import type { Environment } from '../registry/proxy.js';
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
  /** Attempts after the first. */
  readonly retry?: number;
  /** Milliseconds before the first repetition. */
  readonly retryDelay?: number;
  /** Ends the transfer; what is half there stays for a later one. */
  readonly signal?: AbortSignal;
  /** For proxies, certificates and the place of stored credentials; the process's own by default. */
  readonly env?: Environment;
};

/** A client for a registry; nothing is sent yet. The caller closes it. */
export function openRegistry(
  registry: string,
  access: RegistryAccess,
  onEvent: OnTransferEvent,
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
        ? storedCredentials({ registry, authfile, env, uid })
        : () => Promise.resolve(given),
    retry: {
      ...(retry === undefined ? {} : { retries: retry }),
      ...(retryDelay === undefined ? {} : { delay: retryDelay }),
    },
    onRetry: ({ attempt, error }) =>
      onEvent({ kind: 'message', text: `${error.message}; trying again (${attempt})` }),
  });
}
