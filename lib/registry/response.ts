/** Reading responses, with limits of size and silence. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { CoracleError } from '../errors.js';
import { silentServer, TransientError } from './errors.js';
import { afterArrivals } from './exchange.js';

/** A response whose body is yet to be read, by `readBody` or `bodyChunks`, or thrown away by `discardBody`. */
export type HttpResponse = {
  readonly method: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly message: IncomingMessage;
  readonly idle: number;
};

/** Bytes that must come in an idle time of waiting: a server that sends fewer is as good as silent. */
const trickle = 1024;
/** Idle times that a whole document may take. */
const patience = 5;

/**
 * The body's bytes. A body that ends early, or a server that is silent or all but silent for the response's idle time while
 * bytes are waited for, is a TransientError of `action`.
 */
export async function* bodyChunks(response: HttpResponse, action: string): AsyncGenerator<Buffer, void> {
  const { message, idle, url } = response;
  // Only waiting counts: our own slowness is not the server's fault.
  let [waited, received] = [0, 0];
  let since: number | undefined = Date.now();
  const isLate = (): boolean => since !== undefined && waited + Date.now() - since >= idle;
  const giveUp = (): void => {
    if (isLate())
      message.destroy(received === 0 ? silentServer(url.host, idle) : tricklingServer(url.host, idle));
  };
  const timer = setInterval(() => isLate() && afterArrivals(giveUp), Math.max(5, idle / 20));
  try {
    for await (const chunk of message) {
      waited += Date.now() - since;
      received += chunk.length;
      if (received >= trickle) [waited, received] = [0, 0];
      since = undefined;
      yield chunk;
      since = Date.now();
    }
    if (!message.complete) throw new Error('ended early');
  } catch (error) {
    if (error instanceof CoracleError) throw error;
    if (error instanceof Error && error.name === 'AbortError') {
      throw new CoracleError('ABORTED', `${action}: aborted`, { cause: error });
    }
    throw new TransientError('NETWORK', `${action}: ${url.host} broke off in the middle of the answer`, {
      cause: error,
    });
  } finally {
    clearInterval(timer);
    message.destroy();
  }
}

/** The whole body, up to `limit` bytes; more is a REGISTRY error. */
export async function readBody(response: HttpResponse, limit: number, action: string): Promise<Buffer> {
  const announced = Number(response.headers['content-length'] ?? 0);
  const chunks: Buffer[] = [];
  let size = 0;
  const end = Date.now() + patience * response.idle;
  if (announced <= limit) {
    for await (const chunk of bodyChunks(response, action)) {
      if (Date.now() > end) throw tricklingServer(response.url.host, patience * response.idle);
      size += chunk.length;
      if (size > limit) break;
      chunks.push(chunk);
    }
    if (size <= limit) return Buffer.concat(chunks);
  }
  response.message.destroy();
  throw new CoracleError(
    'REGISTRY',
    `${action}: ${response.url.host} answered with more than ${limit} bytes`,
  );
}

/** @param duration milliseconds */
function tricklingServer(host: string, duration: number): TransientError {
  return new TransientError('NETWORK', `read from ${host}: next to nothing came in ${duration / 1000} s`);
}

/** The body's first `limit` bytes as text, for error documents; a broken body counts as far as it came. */
export async function readStart(response: HttpResponse, limit: number, action: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const end = Date.now() + patience * response.idle;
  try {
    for await (const chunk of bodyChunks(response, action)) {
      chunks.push(chunk.subarray(0, limit - size));
      size += chunk.length;
      if (size >= limit || Date.now() > end) break;
    }
  } catch (error) {
    // The status already tells what happened; only an abort matters more.
    if (!(error instanceof TransientError)) throw error;
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Ends a response nobody reads: a short one is drained so the connection can be used again. */
export function discardBody(response: HttpResponse): void {
  const { message, headers } = response;
  const length = response.method === 'HEAD' ? '0' : headers['content-length'];
  if (message.complete || (length !== undefined && Number(length) <= 64 * 1024)) {
    message.on('error', () => message.destroy()); // nobody waits for these bytes
    message.resume();
  } else message.destroy();
}
