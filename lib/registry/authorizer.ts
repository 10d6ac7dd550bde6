/**
 * Answers to a registry's challenges: which Authorization header a request for given scopes carries. Tokens are
 * kept per set of scopes, for this registry alone.
 */
import type { CoracleError } from '../errors.js';
import { type Challenge, parseChallenges } from './challenge.js';
import type { Credentials, CredentialsProvider } from './credentials.js';
import { unauthorized } from './errors.js';
import { type AccessToken, basicHeader, checkRealm, requestToken } from './token.js';
import type { Transport } from './transport.js';

/** Scopes of one request; the first repository's credentials are used. */
export type Access = {
  readonly repository: string | undefined;
  /** Like `repository:library/debian:pull`. */
  readonly scopes: readonly string[];
};

/** Read access to a repository. */
export function pullAccess(repository: string): Access {
  return { repository, scopes: [`repository:${repository}:pull`] };
}

/** Read and write access to a repository, and read access to another one whose blobs are mounted. */
export function pushAccess(repository: string, source?: string): Access {
  const scopes = [`repository:${repository}:pull,push`];
  return { repository, scopes: source === undefined ? scopes : [...scopes, `repository:${source}:pull`] };
}

/** What an authorizer needs. */
export type AuthorizerOptions = {
  readonly registry: string;
  readonly transport: Transport;
  readonly credentials: CredentialsProvider;
};

type BearerService = { readonly realm: URL; readonly service: string | undefined };

// A token that would end while a request is on its way is renewed before.
const margin = 20_000;

// One that is refused this long after it came may have been revoked, or ended early: not every registry says so.
const trusted = 5_000;

/** One per client. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  readonly #tokens = new Map<string, Promise<AccessToken>>();
  /** Scopes a challenge asked for beyond those requested, by the request's. */
  readonly #demanded = new Map<string, readonly string[]>();
  #scheme: 'unknown' | 'basic' | BearerService = 'unknown';

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The header for a request, empty before the first challenge or where none is needed. */
  async headers(access: Access, action: string): Promise<Readonly<Record<string, string>>> {
    if (this.#scheme === 'unknown') return {};
    if (this.#scheme === 'basic') {
      const credentials = await this.#credentials(access);
      return credentials?.kind === 'password' ? { authorization: basicHeader(credentials) } : {};
    }
    return { authorization: bearerHeader(await this.#token(this.#scheme, access, action)) };
  }

  /**
   * Learns from a 401. Returns when another attempt has a chance; otherwise throws UNAUTHORIZED.
   * `sent` is the header that was refused.
   */
  async learn(
    header: string | undefined,
    sent: string | undefined,
    access: Access,
    registry: URL,
    action: string,
  ): Promise<void> {
    const challenges = parseChallenges(header ?? '');
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) {
      await this.#learnBearer(bearer, sent, access, registry, action);
      return;
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic')) {
      throw this.#refused(action, 'the registry offers neither basic nor bearer authentication');
    }
    this.#scheme = 'basic';
    const credentials = await this.#credentials(access);
    if (credentials === undefined) throw this.#refused(action, 'no credentials given');
    if (credentials.kind !== 'password') {
      throw this.#refused(action, 'the registry wants a password, an identity token is stored');
    }
    if (sent === basicHeader(credentials)) throw this.#refused(action, 'wrong user name or password');
  }

  async #learnBearer(
    { parameters }: Challenge,
    sent: string | undefined,
    access: Access,
    registry: URL,
    action: string,
  ): Promise<void> {
    const { realm, service, scope } = parameters;
    const url = checkRealm(realm, registry, action);
    const [before, tokenKey] = [this.#scopes(access), this.#tokenKey(access)];
    const demanded = (scope ?? '').split(' ').filter((item) => item !== '' && !covered(item, before));
    if (demanded.length > 0) this.#demanded.set(key(access.scopes), [...before, ...demanded]);
    if (sent?.startsWith('Bearer ') === true) {
      const isNew = parameters.error !== 'invalid_token' && (await this.#isNew(tokenKey, sent));
      if (demanded.length === 0 && isNew) {
        const anonymous = (await this.#credentials(access)) === undefined;
        const reason = anonymous ? 'it does not exist, or it needs a login' : 'the account may not do this';
        throw this.#refused(action, reason);
      }
      await this.#forget(tokenKey, sent);
    }
    this.#scheme = { realm: url, service };
  }

  /** Whether the token that was sent is still the one in use, and came a moment ago. */
  async #isNew(tokenKey: string, sent: string): Promise<boolean> {
    const known = await this.#known(tokenKey);
    return known !== undefined && bearerHeader(known) === sent && Date.now() <= known.since + trusted;
  }

  /** The next request asks for another one; what others have got since then stays. */
  async #forget(tokenKey: string, sent: string): Promise<void> {
    const asked = this.#tokens.get(tokenKey);
    const known = await this.#known(tokenKey);
    const isSent = known !== undefined && bearerHeader(known) === sent;
    if (isSent && this.#tokens.get(tokenKey) === asked) this.#tokens.delete(tokenKey);
  }

  /** The token in use; undefined where there is none, or the one that was asked for was not given. */
  async #known(tokenKey: string): Promise<AccessToken | undefined> {
    return this.#tokens.get(tokenKey)?.catch(() => undefined); // whoever asked is told why
  }

  async #token(scheme: BearerService, access: Access, action: string): Promise<AccessToken> {
    const tokenKey = this.#tokenKey(access);
    const known = await this.#tokens.get(tokenKey);
    if (known !== undefined && known.expires - margin > Date.now()) return known;
    const asked = this.#ask(scheme, access, action);
    this.#tokens.set(tokenKey, asked);
    try {
      return await asked;
    } catch (error) {
      this.#tokens.delete(tokenKey);
      throw error;
    }
  }

  async #ask(scheme: BearerService, access: Access, action: string): Promise<AccessToken> {
    const { transport, registry } = this.#options;
    const credentials = await this.#credentials(access);
    const scopes = this.#scopes(access);
    return requestToken(transport, { ...scheme, scopes, credentials, registry, action });
  }

  #scopes(access: Access): readonly string[] {
    return this.#demanded.get(key(access.scopes)) ?? access.scopes;
  }

  #tokenKey(access: Access): string {
    return key(this.#scopes(access));
  }

  #credentials(access: Access): Promise<Credentials | undefined> {
    return this.#options.credentials(access.repository);
  }

  #refused(action: string, reason: string): CoracleError {
    return unauthorized(action, this.#options.registry, reason);
  }
}

function bearerHeader({ token }: AccessToken): string {
  return `Bearer ${token}`;
}

/** Whether a scope like `repository:x:pull` is within one of `scopes`, e.g. `repository:x:pull,push`. */
function covered(scope: string, scopes: readonly string[]): boolean {
  const [name, actions] = splitScope(scope);
  return scopes.some((other) => {
    const [otherName, otherActions] = splitScope(other);
    return name === otherName && actions.every((action) => otherActions.includes(action));
  });
}

function splitScope(scope: string): readonly [string, readonly string[]] {
  const colon = scope.lastIndexOf(':');
  return [scope.slice(0, colon), scope.slice(colon + 1).split(',')];
}

function key(scopes: readonly string[]): string {
  return [...scopes].sort().join(' ');
}
