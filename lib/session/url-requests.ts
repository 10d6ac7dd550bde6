/** HTTP for builds: files and contexts by URL, with the proxies, certificates and limits of the registry's transport. */
import type { UrlRequest, UrlResponse } from '../build/url.js';
import { CoracleError } from '../errors.js';
import type { Environment } from '../host/paths.js';

export type UrlAccess = { readonly env: Environment; readonly signal?: AbortSignal | undefined };

/** Sends one request; failures that pass are repeated. @throws NETWORK, ABORTED */
export async function requestUrl(request: UrlRequest, access: UrlAccess): Promise<UrlResponse> {
  const { Transport } = await import('../registry/transport.js');
  const { defaultTimeouts } = await import('../registry/exchange.js');
  const { bodyChunks, discardBody } = await import('../registry/response.js');
  const { defaultRetryPolicy, withRetry } = await import('../registry/retry.js');
  const url = new URL(request.url);
  const { env, signal } = access;
  const transport = new Transport({
    tls: { registry: url.host, env },
    verifyCertificates: true,
    env,
    timeouts: defaultTimeouts,
    userAgent: 'coracle',
    signal,
  });
  const { action, method = 'GET' } = request;
  const headers = { ...passwordHeader(url), ...request.headers };
  try {
    const response = await withRetry({ policy: defaultRetryPolicy, signal }, () =>
      transport.send({ method, url, headers, action }),
    );
    const close = async (): Promise<void> => {
      discardBody(response);
      await transport.close();
    };
    return {
      status: response.status,
      header: (name) => headerText(response.headers[name]),
      body: () => closing(bodyChunks(response, action), close),
      close,
    };
  } catch (error) {
    await transport.close();
    throw withOwnHint(error);
  }
}

/** The transport's advice on certificates speaks of options that are for registries. */
function withOwnHint(error: unknown): unknown {
  if (!(error instanceof CoracleError) || !/certificate/i.test(error.message)) return error;
  return new CoracleError(error.code, error.message, {
    cause: error.cause,
    hint: 'name a file with the certificate of its authority in SSL_CERT_FILE',
  });
}

async function* closing(
  chunks: AsyncIterable<Uint8Array>,
  close: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } finally {
    await close();
  }
}

function headerText(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** `https://USER:PASSWORD@host/`: as every program has it. */
function passwordHeader({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}
