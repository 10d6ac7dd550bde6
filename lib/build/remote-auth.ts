/**
 * Credentials for ADD and git contexts out of a build's secrets, under the names that BuildKit gives them. Each is sent to
 * the host it is for, in a header, and never without TLS but to this machine.
 * https://docs.docker.com/build/building/secrets/#git-authentication-for-remote-contexts
 */
import type { GitReference } from './git-reference.js';

/** The secret of an id; undefined where the build was given none. */
export type ReadSecret = (id: string) => Uint8Array | undefined;

/** The Authorization header for a URL: `HTTP_AUTH_HEADER_<host>` as it is, or `HTTP_AUTH_TOKEN_<host>`. */
export function urlAuthorization(url: URL, read: ReadSecret): string | undefined {
  if (!isConfidential(url)) return undefined;
  for (const host of new Set([url.host, url.hostname])) {
    const header = text(read(`HTTP_AUTH_HEADER_${host}`));
    if (header !== undefined) return header;
    const token = text(read(`HTTP_AUTH_TOKEN_${host}`));
    if (token !== undefined) return `Bearer ${token}`;
  }
  return undefined;
}

/** The same for a repository: `GIT_AUTH_HEADER` or `GIT_AUTH_TOKEN`, those that name its host (`.<host>`) first. */
export function gitAuthorization({ remote, transport }: GitReference, read: ReadSecret): string | undefined {
  if (transport !== 'http' && transport !== 'https') return undefined;
  const url = new URL(remote);
  if (!isConfidential(url)) return undefined;
  for (const suffix of new Set([`.${url.host}`, `.${url.hostname}`, ''])) {
    const header = text(read(`GIT_AUTH_HEADER${suffix}`));
    if (header !== undefined) return header;
    const token = text(read(`GIT_AUTH_TOKEN${suffix}`));
    if (token !== undefined) return `basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`;
  }
  return undefined;
}

function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** One line: what follows a line end would be another header. */
function text(secret: Uint8Array | undefined): string | undefined {
  const [line = ''] = Buffer.from(secret ?? [])
    .toString()
    .trim()
    .split(/[\r\n]/);
  return line === '' ? undefined : line;
}
