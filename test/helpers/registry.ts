/** A real registry (the docker-registry program) on a free loopback port, with an empty store, gone when the test ends. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { findProgram, type Missing, missingProgram, temporaryDirectory } from './host.js';

/** What the registry is like: plain HTTP open to all, unless said otherwise. */
export type RegistryKind = {
  /** https with a self-signed certificate. */
  readonly tls?: true;
  /** Only for the user `registryUser`, by basic authentication. */
  readonly password?: true;
};

/** The one user of a registry with a password. */
export const registryUser = { username: 'captain', password: 'b0at:yard' } as const;
const htpasswd = 'captain:$2y$05$jy/P/J4.YVtwfhvTrmx2RubEe3X2Pz/yE96Z3LP.SfNuyYee1S/L6\n';

export type TestRegistry = {
  /** `127.0.0.1:port`, the first component of references. */
  readonly host: string;
  /** `http://` or `https://` and the host. */
  readonly url: string;
  /** Where its blobs lie. */
  readonly storage: string;
  /** For --cert-dir: holds the certificate as an authority, `ca.crt`. Empty for plain HTTP. */
  readonly certDir: string;
  readonly certFile: string;
  /** Ends it now, as a registry that vanishes. */
  stop(): Promise<void>;
};

/** What is missing for a registry of this kind. */
export function missingRegistry(kind: RegistryKind = {}): Missing {
  return missingProgram('docker-registry') ?? (kind.tls === true ? missingProgram('openssl') : undefined);
}

/** Starts a registry and waits until it listens. */
export async function startRegistry(
  t: ExecutionContext<unknown>,
  kind: RegistryKind = {},
): Promise<TestRegistry> {
  const directory = temporaryDirectory(t);
  const storage = join(directory, 'storage');
  const certDir = join(directory, 'certs');
  for (const path of [storage, certDir]) mkdirSync(path);
  const certFile = join(certDir, 'ca.crt');
  if (kind.tls === true) makeCertificate(certFile, join(directory, 'key.pem'));
  const config = join(directory, 'config.json'); // JSON is YAML
  writeFileSync(join(directory, 'htpasswd'), htpasswd);
  writeFileSync(config, JSON.stringify(configuration(kind, directory, storage, certFile)));
  const child = spawn(findProgram('docker-registry') ?? 'docker-registry', ['serve', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: 'none' },
  });
  const stop = stopper(child);
  t.teardown(stop);
  const host = `127.0.0.1:${await listeningPort(child)}`;
  return { host, url: `${kind.tls === true ? 'https' : 'http'}://${host}`, storage, certDir, certFile, stop };
}

function configuration(kind: RegistryKind, directory: string, storage: string, certFile: string): unknown {
  const tls = { certificate: certFile, key: join(directory, 'key.pem') };
  const auth = { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } };
  return {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: {
      addr: '127.0.0.1:0',
      secret: 'not a secret in a test',
      ...(kind.tls === true ? { tls } : {}),
    },
    ...(kind.password === true ? { auth } : {}),
  };
}

/** A self-signed certificate for 127.0.0.1, localhost and `host`, valid for two days. */
export function makeCertificate(certFile: string, keyFile: string, host = 'localhost'): void {
  const made = spawnSync(
    'openssl',
    [
      ...[
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-days',
        '2',
      ],
      ...['-subj', '/CN=coracle test', '-addext', `subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:${host}`],
      ...['-out', certFile, '-keyout', keyFile],
    ],
    { encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`make certificate: ${made.error?.message ?? made.stderr}`);
}

function listeningPort(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let log = '';
    setTimeout(() => reject(new Error(`start docker-registry: silent: ${log}`)), 30_000).unref();
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`start docker-registry: exit ${code}: ${log}`)));
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      log = `${log}${chunk}`.slice(-20_000);
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(log)?.[1];
      if (port !== undefined) resolve(port);
    });
  });
}

function stopper(child: ChildProcess): () => Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return () => {
    child.kill('SIGKILL');
    return ended;
  };
}
