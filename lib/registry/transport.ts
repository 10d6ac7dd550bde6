/**
 * Requests to one registry and wherever it redirects: connections kept alive, proxies, TLS, redirects. Secrets
 * stay with the origin they were meant for: after a redirect to another scheme, host or port no
 * Authorization header is sent any more, and from https nothing leads to http.
 */
import type { Agent as HttpAgent, RequestOptions } from 'node:http';
import type { Agent as HttpsAgent, RequestOptions as SecureOptions } from 'node:https';
import { isIP } from 'node:net';
import { CoracleError } from '../errors.js';
import { logger } from '../host/log.js';
import { networkError, printable } from './errors.js';
import { exchange, type RequestBody, type Timeouts } from './exchange.js';
import { type Environment, isSocks, proxyAuthorization, proxyFor } from './proxy.js';
import { discardBody, type HttpResponse } from './response.js';
import { makeSecureAgent, refuse } from './secure-agent.js';
import { proxyTrust, type TlsSources } from './tls.js';
import { openSocket } from './tunnel.js';

/** A request. Header names are lower-case. */
export type HttpRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  /** Milliseconds to wait for the answer once the body is sent, instead of the usual. */
  readonly answerTimeout?: number;
  /** `verb object`, for errors. */
  readonly action: string;
};

/** How to connect. */
export type TransportOptions = {
  readonly tls: TlsSources;
  /** false accepts any certificate. */
  readonly verifyCertificates: boolean;
  readonly env: Environment;
  readonly timeouts: Timeouts;
  readonly userAgent: string;
  readonly signal?: AbortSignal | undefined;
};

const redirectLimit = 5;

/** The connections of one client. */
export class Transport {
  readonly #options: TransportOptions;
  #httpAgent: Promise<HttpAgent> | undefined;
  #httpsAgent: Promise<HttpsAgent> | undefined;
  #contacted = false;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Sends, follows redirects where the body allows it, and resolves with any status. Throws NETWORK, TransientError or ABORTED. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    let current = request;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#sendOnce(current);
      const target = redirectTarget(current, response);
      if (target === undefined) return response;
      discardBody(response);
      if (redirects === redirectLimit) {
        throw new CoracleError('REGISTRY', `${request.action}: more than ${redirectLimit} redirects`);
      }
      current = redirected(current, target);
    }
  }

  /** Closes idle connections. */
  async close(): Promise<void> {
    (await this.#httpAgent)?.destroy();
    (await this.#httpsAgent)?.destroy();
  }

  async #sendOnce(request: HttpRequest): Promise<HttpResponse> {
    const { url, action } = request;
    const begun = Date.now();
    const timeouts = { ...this.#options.timeouts, answer: request.answerTimeout };
    try {
      const secure = url.protocol === 'https:';
      const options = secure ? await this.#secureOptions(request) : await this.#plainOptions(request);
      // plain HTTP, too, goes to a proxy by TLS where that is what the proxy speaks
      const { request: send } =
        options.protocol === 'https:' ? await import('node:https') : await import('node:http');
      const message = await exchange(send, options, request.body, timeouts);
      this.#contacted = true;
      // Neither headers nor queries: both may hold credentials.
      logger().debug(
        {
          method: request.method,
          url: `${url.origin}${url.pathname}`,
          status: message.statusCode,
          ms: Date.now() - begun,
        },
        'registry answered',
      );
      const idle = this.#options.timeouts.idle;
      return {
        method: request.method,
        status: message.statusCode ?? 0,
        headers: message.headers,
        url,
        message,
        idle,
      };
    } catch (error) {
      throw networkError(action, url.host, error, this.#contacted);
    }
  }

  #baseOptions({ method, url, headers, body }: HttpRequest): RequestOptions {
    const { signal, userAgent } = this.#options;
    return {
      protocol: url.protocol,
      method,
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: portOf(url),
      path: `${url.pathname}${url.search}`,
      headers: {
        host: url.host,
        'user-agent': userAgent,
        'accept-encoding': 'identity',
        ...lengthHeader(method, body),
        ...headers,
      },
      ...(signal === undefined ? {} : { signal }),
    };
  }

  async #plainOptions(request: HttpRequest): Promise<RequestOptions> {
    this.#httpAgent ??= import('node:http').then(({ Agent }) => new Agent({ keepAlive: true }));
    const options = { ...this.#baseOptions(request), agent: await this.#httpAgent };
    const proxy = proxyFor(request.url, this.#options.env);
    if (proxy === undefined) return options;
    if (isSocks(proxy)) return { ...options, ...throughSocks(request.url, proxy, this.#options) };
    return {
      ...options,
      ...(proxy.protocol === 'https:' ? await byTls(proxy, this.#options.env) : {}),
      host: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: portOf(proxy),
      path: request.url.href,
      headers: { ...options.headers, ...proxyAuthorization(proxy) },
    };
  }

  async #secureOptions(request: HttpRequest): Promise<RequestOptions> {
    this.#httpsAgent ??= makeSecureAgent(this.#options);
    try {
      return { ...this.#baseOptions(request), agent: await this.#httpsAgent };
    } catch (error) {
      this.#httpsAgent = undefined; // nothing to close, and the certificates may be there the next time
      throw error;
    }
  }
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}

function lengthHeader(method: string, body: RequestBody | undefined): Readonly<Record<string, string>> {
  if (body === undefined) return method === 'GET' || method === 'HEAD' ? {} : { 'content-length': '0' };
  const { length } = body;
  return length === undefined ? { 'transfer-encoding': 'chunked' } : { 'content-length': `${length}` };
}

/** Where a response sends us, undefined when it is an answer. */
function redirectTarget(request: HttpRequest, response: HttpResponse): URL | undefined {
  const { location } = response.headers;
  if (![301, 302, 303, 307, 308].includes(response.status) || location === undefined) return undefined;
  const readOnly = request.method === 'GET' || request.method === 'HEAD';
  const repeatable = request.body === undefined || request.body instanceof Uint8Array;
  if (!readOnly && (response.status < 307 || !repeatable)) {
    throw new CoracleError('REGISTRY', `${request.action}: redirected in the middle of an upload`);
  }
  return resolveLocation(location, request.url, request.action);
}

/** A Location header as a URL: relative ones resolved, plain HTTP refused where the request was secure. */
export function resolveLocation(location: string, base: URL, action: string): URL {
  const target = URL.canParse(location, base.href) ? new URL(location, base) : undefined;
  if (target?.protocol === 'https:') return target;
  if (target?.protocol === 'http:' && base.protocol === 'http:') return target;
  if (target?.protocol === 'http:') {
    throw new CoracleError(
      'NETWORK',
      `${action}: ${base.host} leads from https to plain http://${target.host}`,
      {
        hint: 'the registry, or the proxy before it, is set up wrongly: it must give https addresses',
      },
    );
  }
  throw new CoracleError('REGISTRY', `${action}: unusable Location header: ${printable(location)}`);
}

/** The way to a proxy, which is no registry: what is said of the registry's certificates does not hold for it. */
async function byTls(proxy: URL, env: Environment): Promise<SecureOptions> {
  // else it is the Host header that the certificate is compared with
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const servername = isIP(host) === 0 ? host : '';
  return { protocol: 'https:', agent: false, servername, ...(await proxyTrust(proxy, env)) };
}

/** A connection of its own for a request of plain HTTP. */
function throughSocks(url: URL, proxy: URL, { timeouts, signal, env }: TransportOptions): RequestOptions {
  const target = { host: url.hostname.replace(/^\[|\]$/g, ''), port: portOf(url), proxy, env };
  return {
    // an agent would not ask for the connection
    agent: undefined,
    createConnection: (_options, callback) => {
      openSocket({ ...target, timeout: timeouts.connect, signal })
        .then((socket) => callback(null, socket))
        .catch((error: unknown) => refuse(callback, error));
      return undefined;
    },
  };
}

/** The request repeated at another place, without its secrets where that is another origin. */
function redirected(request: HttpRequest, url: URL): HttpRequest {
  if (url.origin === request.url.origin) return { ...request, url };
  return { ...request, url, headers: withoutSecrets(request.headers ?? {}) };
}

/** Headers fit for another origin. */
export function withoutSecrets(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const secret = ['authorization', 'cookie', 'proxy-authorization'];
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !secret.includes(name.toLowerCase())));
}
