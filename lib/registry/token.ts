/** Access tokens from a registry's token service. https://distribution.github.io/distribution/spec/auth/token/ */
import { CoracleError } from '../errors.js';
import { optional, parseJson, requireInteger, requireObject, requireString } from '../oci/guards.js';
import type { Credentials } from './credentials.js';
import { responseError, unauthorized } from './errors.js';
import { isLoopback, isPrivateLiteral } from './hosts.js';
import { discardBody, type HttpResponse, readBody, readStart } from './response.js';
import type { HttpRequest, Transport } from './transport.js';

/** A token, since when it is there and when it ends, in milliseconds of Date.now(). */
export type AccessToken = { readonly token: string; readonly since: number; readonly expires: number };

/** What to ask for. */
export type TokenRequest = {
  readonly realm: URL;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly credentials: Credentials | undefined;
  /** As in a reference, for messages. */
  readonly registry: string;
  readonly action: string;
};

const bodyLimit = 1024 * 1024;
const errorLimit = 64 * 1024;
const clientId = 'coracle';

/**
 * The token service's URL, once it is fit to receive credentials of `registry`: https, or plain HTTP where the
 * registry itself is spoken to so; no address inside this machine or its network unless the registry is there too.
 */
export function checkRealm(realm: string | undefined, registry: URL, action: string): URL {
  const refuse = (reason: string): CoracleError =>
    new CoracleError('REGISTRY', `${action}: the token service of ${registry.host} ${reason}`, {
      hint: 'credentials are not sent there; the registry is set up wrongly or somebody stands in between',
    });
  const url = realm !== undefined && URL.canParse(realm) ? new URL(realm) : undefined;
  if (url === undefined) throw refuse('has no usable address');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && registry.protocol === 'http:')) {
    throw refuse(`has no https address: ${url.protocol}//${url.host}`);
  }
  const local = isLoopback(url.hostname) && isLoopback(registry.hostname);
  if (url.hostname !== registry.hostname && !local && isPrivateLiteral(url.hostname)) {
    throw refuse(`is at a private address: ${url.host}`);
  }
  if (url.username !== '' || url.password !== '') throw refuse('has credentials in its address');
  return url;
}

/** Asks for a token: by GET with the password, or by POST with an identity token. UNAUTHORIZED where it is refused. */
export async function requestToken(transport: Transport, request: TokenRequest): Promise<AccessToken> {
  const { credentials, action } = request;
  const asked =
    credentials?.kind === 'identity-token'
      ? refresh(request, credentials.token)
      : query(request, credentials);
  const response = await transport.send(asked);
  if (response.status === 200) return parseToken(await readBody(response, bodyLimit, action), request);
  throw await refusal(response, request);
}

function query(request: TokenRequest, credentials: Credentials | undefined): HttpRequest {
  const url = new URL(request.realm);
  if (request.service !== undefined) url.searchParams.set('service', request.service);
  for (const scope of request.scopes) url.searchParams.append('scope', scope);
  url.searchParams.set('client_id', clientId);
  if (credentials?.kind !== 'password') return { method: 'GET', url, action: request.action };
  url.searchParams.set('account', credentials.username);
  return { method: 'GET', url, headers: { authorization: basicHeader(credentials) }, action: request.action };
}

function refresh(request: TokenRequest, token: string): HttpRequest {
  const form = new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: token,
    client_id: clientId,
  });
  if (request.service !== undefined) form.set('service', request.service);
  if (request.scopes.length > 0) form.set('scope', request.scopes.join(' '));
  return {
    method: 'POST',
    url: request.realm,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: Buffer.from(form.toString()),
    action: request.action,
  };
}

/** The Authorization header of RFC 7617, UTF-8. */
export function basicHeader(credentials: Extract<Credentials, { kind: 'password' }>): string {
  const pair = `${credentials.username}:${credentials.password}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function parseToken(body: Buffer, { registry, action }: TokenRequest): AccessToken {
  const where = `token answer for ${registry}`;
  const record = requireObject(parseJson(body.toString('utf8'), where), where);
  const token = optional(record.token ?? record.access_token, `${where}: token`, requireString);
  if (token === undefined || token === '' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new CoracleError('REGISTRY', `${action}: the token service of ${registry} gave no usable token`);
  }
  // The specification's minimum; its clock may differ from ours, so `issued_at` is not used.
  const seconds = Math.max(60, optional(record.expires_in, `${where}: expires_in`, requireInteger) ?? 60);
  const since = Date.now();
  return { token, since, expires: since + seconds * 1000 };
}

async function refusal(response: HttpResponse, request: TokenRequest): Promise<CoracleError> {
  const { action, registry, credentials } = request;
  const { status, headers } = response;
  if (status === 401 || status === 403 || status === 400) {
    discardBody(response);
    const reason = credentials === undefined ? 'no credentials given' : 'wrong user name, password or token';
    return unauthorized(action, registry, `${reason} (status ${status} of the token service)`);
  }
  return responseError(action, registry, {
    status,
    headers,
    body: await readStart(response, errorLimit, action),
  });
}
