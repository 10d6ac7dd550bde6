/**
 * One HTTP exchange: a request with its body out, the response's head in, with deadlines for the connection and
 * for silence. Redirects, credentials and repetition are the callers' business.
 */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http';
import { CoracleError, ioError } from '../errors.js';
import { TransientError } from './errors.js';
import { lateConnection } from './tunnel.js';

/** A request's body: bytes, or a stream whose length is known (Content-Length) or not (chunked encoding). */
export type RequestBody =
  | Uint8Array
  | { readonly length?: number | undefined; readonly chunks: AsyncIterable<Uint8Array> };

/** Milliseconds. */
export type Timeouts = {
  /** Until the connection, with TLS, stands. */
  readonly connect: number;
  /** Without a byte in either direction. */
  readonly idle: number;
};

/** 15 s to connect, 60 s of silence. */
export const defaultTimeouts: Timeouts = { connect: 15_000, idle: 60_000 };

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

type Send = (options: RequestOptions) => ClientRequest;

/** Sends and resolves with the response's head, which may arrive before the whole body was sent; then the rest is not. */
export async function exchange(
  send: Send,
  options: RequestOptions,
  body: RequestBody | undefined,
  timeouts: Timeouts,
): Promise<IncomingMessage> {
  const outgoing = send(options);
  const host = String(options.host ?? '');
  const silence = setTimeout(() => outgoing.destroy(silent(host, timeouts.idle)), timeouts.idle);
  watchConnection(outgoing, options, timeouts.connect);
  try {
    return await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.on('error', reject); // stays: an error after the response must not become an uncaught one
      outgoing.once('upgrade', (_response, socket) => {
        socket.destroy();
        reject(new CoracleError('REGISTRY', `request ${host}: the server switched protocols unasked`));
      });
      sendBody(outgoing, body, silence).catch((error: unknown) => {
        // The source of the body failed: that is the reason the caller must see.
        reject(ioError('read the data to upload', error));
        outgoing.destroy();
      });
    });
  } finally {
    clearTimeout(silence);
  }
}

function watchConnection(outgoing: ClientRequest, options: RequestOptions, timeout: number): void {
  const host = String(options.host ?? '');
  const timer = setTimeout(() => outgoing.destroy(lateConnection(host, timeout)), timeout);
  outgoing.once('close', () => clearTimeout(timer));
  outgoing.once('socket', (socket) => {
    const established = options.protocol === 'https:' ? 'secureConnect' : 'connect';
    if (socket.connecting || (established === 'secureConnect' && !outgoing.reusedSocket)) {
      socket.once(established, () => clearTimeout(timer));
    } else clearTimeout(timer);
  });
  outgoing.once('response', () => clearTimeout(timer));
}

async function sendBody(
  outgoing: ClientRequest,
  body: RequestBody | undefined,
  silence: NodeJS.Timeout,
): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body);
    return;
  }
  let over = false;
  outgoing.once('close', () => {
    over = true;
  });
  outgoing.once('response', (message) => {
    over = true;
    // A connection with half a request in it serves nobody any more.
    for (const event of ['end', 'close']) {
      message.once(event, () => {
        if (!outgoing.writableEnded) outgoing.destroy();
      });
    }
  });
  for await (const chunk of body.chunks) {
    if (over) break;
    if (!outgoing.write(chunk)) await drained(outgoing);
    silence.refresh();
  }
  if (!over) outgoing.end();
}

/** Resolves when the request takes more, was answered, or is gone. */
function drained(outgoing: ClientRequest): Promise<void> {
  const events = ['drain', 'response', 'close'] as const;
  return new Promise((resolve) => {
    const done = (): void => {
      for (const event of events) outgoing.off(event, done);
      resolve();
    };
    for (const event of events) outgoing.on(event, done);
  });
}

/**
 * The body's bytes. A body that ends early, or a server silent for the response's idle time while bytes are
 * waited for, is a TransientError of `action`.
 */
export async function* bodyChunks(response: HttpResponse, action: string): AsyncGenerator<Buffer, void> {
  const { message, idle, url } = response;
  let waiting = true;
  const timer = setInterval(() => {
    if (waiting) message.destroy(silent(url.host, idle));
  }, idle);
  try {
    for await (const chunk of message) {
      waiting = false;
      yield chunk;
      waiting = true;
      timer.refresh();
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
  if (announced <= limit) {
    for await (const chunk of bodyChunks(response, action)) {
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

/** The body's first `limit` bytes as text, for error documents; a broken body counts as far as it came. */
export async function readStart(response: HttpResponse, limit: number, action: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of bodyChunks(response, action)) {
      chunks.push(chunk.subarray(0, limit - size));
      size += chunk.length;
      if (size >= limit) break;
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

function silent(host: string, timeout: number): TransientError {
  return new TransientError('NETWORK', `wait for ${host}: not a byte for ${timeout / 1000} s`);
}
