/** What the tests with hostile servers share: a blob, a manifest, clients and ways to serve. */
import { createHash } from 'node:crypto';
import type { ExecutionContext } from 'ava';
import { makeDigest } from '../../lib/oci/digest.js';
import { serializeManifest } from '../../lib/oci/manifest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { parseReference, type Reference } from '../../lib/oci/reference.js';
import {
  createRegistryClient,
  type RegistryClient,
  type RegistryOptions,
} from '../../lib/registry/client.js';
import type { Credentials } from '../../lib/registry/credentials.js';
import type { Answer, HostileServer } from './hostile-server.js';

/** The bytes of `blob`. */
export const content = Buffer.from('0123456789'.repeat(20_000));
export const digest = makeDigest('sha256', createHash('sha256').update(content).digest('hex'));
export const blob = { digest, size: content.length };
const config = { mediaType: ociTypes.config, digest, size: 2 };
/** A valid manifest. */
export const manifest = Buffer.from(
  serializeManifest({ kind: 'manifest', mediaType: ociTypes.manifest, config, layers: [] }),
);
export const manifestDigest = makeDigest('sha256', createHash('sha256').update(manifest).digest('hex'));
export const password: Credentials = { kind: 'password', username: 'u', password: 'secret' };
/** The header `password` makes. */
export const basic = `Basic ${Buffer.from('u:secret').toString('base64')}`;
/** Retries that cost a test no time. */
export const fast = { retries: 3, delay: 1, maximumDelay: 5 };

/** A client that knows no environment, closed when the test ends. */
export function client(
  t: ExecutionContext<unknown>,
  host: string,
  options: Partial<RegistryOptions> = {},
): RegistryClient {
  const made = createRegistryClient({ registry: host, env: {}, retry: fast, ...options });
  t.teardown(() => made.close());
  return made;
}

/** `HOST/team/app` and a suffix. */
export function image({ host }: HostileServer, suffix = ':t'): Reference {
  return parseReference(`${host}/team/app${suffix}`);
}

/** A sink in memory. */
export function collector() {
  return {
    offset: 0,
    chunks: [] as Buffer[],
    append(chunk: Uint8Array): void {
      this.chunks.push(Buffer.from(chunk));
      this.offset += chunk.length;
    },
  };
}

/** Answers everything with the manifest. */
export const sendManifest: Answer = (_asked, response) => {
  response.writeHead(200, { 'content-type': ociTypes.manifest, 'docker-content-digest': manifestDigest });
  response.end(manifest);
};

/** Serves the blob, by ranges where `ranges`, broken off after `limit` bytes of each answer. */
export function serveBlob(limit: number, ranges: 'ranges' | 'whole'): Answer {
  return ({ headers }, response) => {
    const start = ranges === 'ranges' ? Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0) : 0;
    const rest = content.subarray(start);
    const range = { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start === 0 ? 200 : 206, {
      'content-length': `${rest.length}`,
      ...(start === 0 ? {} : range),
    });
    if (limit >= rest.length) response.end(rest);
    else response.write(rest.subarray(0, limit), () => response.destroy());
  };
}
