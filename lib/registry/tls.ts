/**
 * Whom we trust and who we are. Certificates of authorities and clients come from directories laid out as
 * Docker's and Podman's certs.d: `*.crt` are authorities, `NAME.cert` with `NAME.key` a client.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SecureContext } from 'node:tls';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { Environment } from './proxy.js';

/** What TLS needs beyond Node's own list of authorities. */
export type TlsMaterial = {
  /** PEM texts of further authorities. */
  readonly authorities: readonly string[];
  readonly client?: { readonly cert: string; readonly key: string };
};

/** Where to look. */
export type TlsSources = {
  /** As in a reference; names the directory below certs.d. */
  readonly registry: string;
  /** Instead of the certs.d directories. */
  readonly certDir?: string | undefined;
  readonly caFiles?: readonly string[] | undefined;
  readonly env: Environment;
};

/**
 * Reads the certificates that apply to a registry. Without a directory given: certs.d/REGISTRY below
 * $XDG_CONFIG_HOME/containers, /etc/containers and /etc/docker; the first that exists wins. The files that
 * CORACLE_EXTRA_CA_CERTS (the launcher's name for NODE_EXTRA_CA_CERTS) and SSL_CERT_FILE name are added.
 */
export function readTlsMaterial(sources: TlsSources): TlsMaterial {
  const { env, certDir } = sources;
  const extra = [env.CORACLE_EXTRA_CA_CERTS || env.NODE_EXTRA_CA_CERTS, env.SSL_CERT_FILE];
  const files = [...(sources.caFiles ?? []), ...extra.filter((file) => file !== undefined && file !== '')];
  const directory = certDir === undefined ? firstDirectory(sources) : listed(certDir);
  if (certDir !== undefined && directory === undefined) {
    throw new CoracleError('NOT_FOUND', `read certificates ${certDir}: no such directory`);
  }
  const authorities = (directory?.names ?? []).filter((name) => name.endsWith('.crt'));
  const paths = [...files, ...authorities.map((name) => join(directory?.path ?? '', name))];
  const client = directory === undefined ? undefined : readClient(directory);
  return {
    authorities: paths.map((file) => readPem(file ?? '')),
    ...(client === undefined ? {} : { client }),
  };
}

type Listing = { readonly path: string; readonly names: readonly string[] };

function firstDirectory({ registry, env }: TlsSources): Listing | undefined {
  const config = env.XDG_CONFIG_HOME || (env.HOME === undefined ? undefined : join(env.HOME, '.config'));
  const parents = [
    ...(config === undefined ? [] : [join(config, 'containers')]),
    '/etc/containers',
    '/etc/docker',
  ];
  for (const parent of parents) {
    const listing = listed(join(parent, 'certs.d', registry));
    if (listing !== undefined) return listing;
  }
  return undefined;
}

function listed(path: string): Listing | undefined {
  try {
    return { path, names: readdirSync(path).sort() };
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw ioError(`read certificates ${path}`, error);
  }
}

function readClient({ path, names }: Listing): { cert: string; key: string } | undefined {
  const cert = names.find((name) => name.endsWith('.cert'));
  if (cert === undefined) return undefined;
  const key = `${cert.slice(0, -'.cert'.length)}.key`;
  if (!names.includes(key)) {
    throw new CoracleError('NOT_FOUND', `read client certificate ${join(path, cert)}: no ${key} beside it`);
  }
  return { cert: readPem(join(path, cert)), key: readPem(join(path, key)) };
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw ioError(`read certificate ${file}`, error);
  }
}

/**
 * One context for all connections of a client, undefined where Node's default does. Made once: parsing the
 * authorities takes tens of milliseconds.
 */
export async function secureContext(material: TlsMaterial): Promise<SecureContext | undefined> {
  const { authorities, client } = material;
  if (authorities.length === 0 && client === undefined) return undefined;
  const { createSecureContext, rootCertificates } = await import('node:tls');
  try {
    return createSecureContext({ ca: [...rootCertificates, ...authorities], ...client });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CoracleError('INVALID', `load certificates: ${reason}`, {
      cause: error,
      hint: 'the files of --cert-dir and of NODE_EXTRA_CA_CERTS must be PEM',
    });
  }
}

/** What a connection to a proxy by TLS trusts: the certificates of its own certs.d, and those that count everywhere. */
export async function proxyTrust(
  proxy: URL,
  env: Environment,
): Promise<{ readonly secureContext?: SecureContext }> {
  const context = await secureContext(readTlsMaterial({ registry: proxy.host, env }));
  return context === undefined ? {} : { secureContext: context };
}
