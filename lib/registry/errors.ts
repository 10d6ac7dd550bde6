/**
 * What goes wrong between us and a registry, as CoracleErrors: connection and TLS failures by their errno, and
 * the error documents of the distribution specification. Text from the other side is cut and stripped of
 * control characters before a person sees it.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { CoracleError, type ErrorCode, type ErrorDetails } from '../errors.js';

/** A failure that may pass: worth another attempt, not before `retryAfter` milliseconds where given. */
export class TransientError extends CoracleError {
  readonly retryAfter: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails & { readonly retryAfter?: number } = {},
  ) {
    super(code, message, details);
    this.retryAfter = details.retryAfter;
  }
}

/** The part of a response that an error is made of. */
export type FailedResponse = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The start of the body. */
  readonly body: string;
};

const certificateErrors =
  /^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT|HOSTNAME_MISMATCH|INVALID_CA|CRL_|ERROR_IN_)/;
const brokenErrors = [
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ECONNABORTED',
  'EAI_AGAIN',
  'HPE_INVALID_EOF_STATE',
];
const unreachableErrors = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'EHOSTDOWN'];

/**
 * A failed exchange with `host` as an error. `contacted` says whether the host answered earlier in this process:
 * then a refused connection is a restart worth waiting for, else an address nobody serves.
 */
export function networkError(action: string, host: string, error: unknown, contacted: boolean): CoracleError {
  if (error instanceof CoracleError) return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'AbortError') return new CoracleError('ABORTED', `${action}: aborted`, { cause: error });
  const code = errno(error);
  const fail = (reason: string, hint?: string) =>
    new CoracleError('NETWORK', `${action}: ${reason}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  if (certificateErrors.test(code)) {
    return fail(
      `the certificate of ${host} is not trusted (${code})`,
      `put its authority into ~/.config/containers/certs.d/${host}/ca.crt or name a directory with --cert-dir; --tls-verify=false skips the check`,
    );
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_')) {
    return fail(`${host} does not speak TLS as expected`, 'if it serves plain HTTP, use --tls-verify=false');
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new CoracleError('REGISTRY', `${action}: ${host} answered with too many headers`, {
      cause: error,
    });
  }
  if (code === 'ENOTFOUND')
    return fail(`no address for the host ${host}`, 'check the name and the DNS settings');
  if (unreachableErrors.includes(code)) {
    const reason =
      code === 'ECONNREFUSED' ? `${host} refused the connection` : `${host} is unreachable (${code})`;
    const hint = 'check that the registry is running and the host and port are right';
    if (!contacted) return fail(reason, hint);
    return new TransientError('NETWORK', `${action}: ${reason}`, { cause: error, hint });
  }
  const reason = brokenErrors.includes(code) ? `${host} broke off the connection` : reasonOf(error);
  return new TransientError('NETWORK', `${action}: ${reason}`, { cause: error });
}

function errno(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errno(error.errors[0]);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A server that is due to act and does not, for so many milliseconds. */
export function silentServer(host: string, timeout: number): TransientError {
  return new TransientError('NETWORK', `wait for ${host}: not a byte for ${timeout / 1000} s`);
}

/** An error status as an error: 408, 429 and 5xx are transient. */
export function responseError(action: string, registry: string, response: FailedResponse): CoracleError {
  const { status } = response;
  const said = registryMessage(response.body);
  const reason = said === '' ? `status ${status}` : `${said} (status ${status})`;
  switch (status) {
    case 401:
    case 403:
      return unauthorized(action, registry, reason);
    case 404:
      return new CoracleError('NOT_FOUND', `${action}: not found: ${reason}`, {
        hint: `check the name, and that ${registry} is the registry that has it`,
      });
    case 429:
      return new TransientError('REGISTRY', `${action}: too many requests: ${reason}`, {
        hint: `wait, or log in for a higher limit: coracle login ${registry}`,
        ...retryAfterOf(response.headers),
      });
    default:
      if (status === 408 || (status >= 500 && status !== 501 && status !== 505)) {
        return new TransientError(
          'REGISTRY',
          `${action}: ${registry} failed: ${reason}`,
          retryAfterOf(response.headers),
        );
      }
      return new CoracleError('REGISTRY', `${action}: ${registry} refused: ${reason}`);
  }
}

/** Credentials are missing, wrong, or do not allow the action. */
export function unauthorized(action: string, registry: string, reason: string): CoracleError {
  return new CoracleError('UNAUTHORIZED', `${action}: access denied: ${reason}`, {
    hint: `log in with an account that may do this: coracle login ${registry}`,
  });
}

function registryMessage(body: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return ''; // an HTML page or nothing: the status says more
    throw error;
  }
  const list = field(parsed, 'errors');
  const errors = Array.isArray(list) ? list.slice(0, 3).map(describeError) : [describeError(parsed)];
  return errors.filter((text) => text !== '').join('; ');
}

function describeError(value: unknown): string {
  const message = field(value, 'message') ?? field(value, 'details') ?? field(value, 'error');
  const text = typeof message === 'string' && message !== '' ? message : field(value, 'code');
  return typeof text === 'string' ? printable(text) : '';
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** Foreign text made fit for a terminal: one line, no control characters, at most 300 characters. */
export function printable(text: string): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return clean.length > 300 ? `${clean.slice(0, 300)}...` : clean;
}

/**
 * The texts of a Warning header: those of code 299 that name no agent, as registries give them; several are apart by commas.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings
 */
export function parseWarnings(header: string): readonly string[] {
  const found = header.slice(0, 8192).matchAll(/299 - "((?:[^"\\]|\\.)*)"/g);
  return [...found]
    .map(([, text = '']) => printable(text.replace(/\\(.)/g, '$1')))
    .filter((text) => text !== '');
}

function retryAfterOf(headers: IncomingHttpHeaders): { readonly retryAfter?: number } {
  const value = headers['retry-after'];
  if (value === undefined) return {};
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(milliseconds) ? {} : { retryAfter: Math.max(0, milliseconds) };
}
