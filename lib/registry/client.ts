/**
 * One registry over the distribution specification's HTTP API. Knows no store: bytes go in and out.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 *
 * Plain HTTP is spoken where TLS verification is switched off, or to a loopback host, and only where that server
 * does not answer TLS; everything else is https with verified certificates.
 */
import { type CoracleError, hasErrno } from '../errors.js';
import { type Access, Authorizer } from './authorizer.js';
import type { CredentialsProvider } from './credentials.js';
import { networkError, parseWarnings, responseError } from './errors.js';
import { defaultTimeouts, type Timeouts } from './exchange.js';
import { apiHost, isLoopback } from './hosts.js';
import { type Environment, proxyFor } from './proxy.js';
import { discardBody, type HttpResponse, readStart } from './response.js';
import { defaultRetryPolicy, type RetryEvent, type RetryPolicy, withRetry } from './retry.js';
import { type HttpRequest, Transport, withoutSecrets } from './transport.js';
import { speaksTls } from './tunnel.js';

/** How to reach a registry. */
export type RegistryOptions = {
  /** `host[:port]` as in a reference. */
  readonly registry: string;
  /** true: https only. false: any certificate, or plain HTTP. Unset: verified https; loopback may be plain HTTP. */
  readonly tlsVerify?: boolean | undefined;
  /** A directory with `*.crt`, `NAME.cert` and `NAME.key`. */
  readonly certDir?: string | undefined;
  /** PEM files of further authorities. */
  readonly caFiles?: readonly string[] | undefined;
  /** Asked only after the registry demands credentials. */
  readonly credentials?: CredentialsProvider | undefined;
  readonly userAgent?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  readonly onRetry?: ((event: RetryEvent) => void) | undefined;
  /** Told once of each warning that the registry gives, fit for a terminal. */
  readonly onWarning?: ((text: string) => void) | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  /** For proxies and certificates; the process's own by default. */
  readonly env?: Environment | undefined;
};

/** A request to the registry's API. */
export type ApiRequest = Omit<HttpRequest, 'url'> & {
  /** Below `/v2/`, or a URL the registry gave. */
  readonly target: string | URL;
  readonly access: Access;
  /** Statuses that are answers; others become errors. */
  readonly accept: readonly number[];
};

const errorLimit = 64 * 1024;
/** More than a person reads. */
const warningLimit = 20;

/** Makes a client. Nothing is sent yet. */
export function createRegistryClient(options: RegistryOptions): RegistryClient {
  return new RegistryClient(options);
}

/** Authenticated, repeated requests to one registry; the functions of the neighbouring files build on `request`. */
export class RegistryClient {
  readonly registry: string;
  readonly signal: AbortSignal | undefined;
  readonly retryPolicy: RetryPolicy;
  readonly onRetry: ((event: RetryEvent) => void) | undefined;
  /** Whether several ranges may be asked for at once: until it turns out that the server does not give them. */
  givesManyRanges = true;
  readonly #options: RegistryOptions;
  readonly #transport: Transport;
  readonly #authorizer: Authorizer;
  readonly #timeouts: Timeouts;
  #base: Promise<URL> | undefined;
  readonly #warned = new Set<string>();

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.registry = options.registry;
    this.signal = options.signal;
    this.onRetry = options.onRetry;
    this.retryPolicy = { ...defaultRetryPolicy, ...options.retry };
    this.#timeouts = { ...defaultTimeouts, ...options.timeouts };
    const { registry, certDir, caFiles, signal } = options;
    const env = this.#env;
    this.#transport = new Transport({
      tls: { registry, certDir, caFiles, env },
      verifyCertificates: options.tlsVerify !== false,
      env,
      timeouts: this.#timeouts,
      userAgent: options.userAgent ?? 'coracle',
      signal,
    });
    const credentials = options.credentials ?? (() => Promise.resolve(undefined));
    this.#authorizer = new Authorizer({ registry, transport: this.#transport, credentials });
  }

  /** Sends until it succeeds or fails for good; the body must be repeatable (bytes, or none). */
  request(request: ApiRequest): Promise<HttpResponse> {
    const { retryPolicy: policy, signal, onRetry } = this;
    return withRetry({ policy, signal, onRetry }, () => this.requestOnce(request));
  }

  /** Sends once, and again only to answer a challenge. A body that is a stream is not sent again. */
  async requestOnce(request: ApiRequest): Promise<HttpResponse> {
    const { target, access, accept, action } = request;
    const base = await this.base();
    const url = target instanceof URL ? target : new URL(`/v2/${target}`, base);
    for (let attempt = 1; ; attempt++) {
      const authorization = url.origin === base.origin ? await this.#authorizer.headers(access, action) : {};
      const headers = { ...withoutSecrets(request.headers ?? {}), ...authorization };
      const response = await this.#transport.send({ ...request, url, headers });
      if (response.url.origin === base.origin) this.#heed(response);
      if (accept.includes(response.status)) return response;
      const mayAnswer = attempt < 3 && response.status === 401 && response.url.origin === base.origin;
      const repeatable = request.body === undefined || request.body instanceof Uint8Array;
      if (!mayAnswer || !repeatable) throw await this.#failure(response, action);
      discardBody(response);
      const challenge = response.headers['www-authenticate'];
      await this.#authorizer.learn(challenge, authorization.authorization, access, base, action);
    }
  }

  /** The URL the API lies below, its scheme decided at the first call. */
  async base(): Promise<URL> {
    this.#base ??= this.#decideBase();
    try {
      return await this.#base;
    } catch (error) {
      this.#base = undefined;
      throw error;
    }
  }

  /** Asks whether the API is there and the credentials are accepted. */
  async ping(): Promise<void> {
    const action = `connect to ${this.registry}`;
    const access = { repository: undefined, scopes: [] };
    discardBody(await this.request({ method: 'GET', target: '', access, accept: [200], action }));
  }

  /** Closes idle connections; the client may be used again. */
  close(): Promise<void> {
    return this.#transport.close();
  }

  /** Warnings are the registry's own: whoever it redirects to has none to give. */
  #heed({ headers, url }: HttpResponse): void {
    const { onWarning } = this.#options;
    if (onWarning === undefined || headers.warning === undefined) return;
    for (const text of parseWarnings(headers.warning)) {
      if (this.#warned.has(text) || this.#warned.size === warningLimit) continue;
      this.#warned.add(text);
      onWarning(`${url.host} warns: ${text}`);
    }
  }

  get #env(): Environment {
    return this.#options.env ?? process.env;
  }

  async #decideBase(): Promise<URL> {
    const { tlsVerify, registry } = this.#options;
    const secure = new URL(`https://${apiHost(registry)}/`);
    const mayBePlain = tlsVerify === false || (tlsVerify === undefined && isLoopback(secure.hostname));
    if (!mayBePlain) return secure;
    const action = `connect to ${registry}`;
    const { retryPolicy: policy, signal, onRetry } = this;
    const speaks = await withRetry({ policy, signal, onRetry }, () => this.#probe(secure, action));
    return speaks ? secure : new URL(`http://${apiHost(registry)}/`);
  }

  async #probe(secure: URL, action: string): Promise<boolean> {
    try {
      return await speaksTls({
        host: secure.hostname.replace(/^\[|\]$/g, ''),
        port: secure.port === '' ? 443 : Number(secure.port),
        proxy: proxyFor(secure, this.#env),
        env: this.#env,
        timeout: this.#timeouts.connect,
        signal: this.signal,
      });
    } catch (error) {
      // Nobody at the https port says nothing about the http one, where no port was named.
      if (secure.port === '' && hasErrno(error, 'ECONNREFUSED')) return false;
      // Where plain HTTP has a proxy, the host may be out of direct reach: then the proxy decides.
      const plainProxy = proxyFor(new URL(`http://${secure.host}/`), this.#env);
      if (plainProxy !== undefined && this.signal?.aborted !== true) return false;
      throw networkError(action, secure.host, error, false);
    }
  }

  async #failure(response: HttpResponse, action: string): Promise<CoracleError> {
    const { status, headers } = response;
    const body = await readStart(response, errorLimit, action);
    return responseError(action, this.registry, { status, headers, body });
  }
}
