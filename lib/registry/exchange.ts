/**
 * One HTTP exchange: a request with its body out, the response's head in, with deadlines for the connection and
 * for silence. Redirects, credentials and repetition are the callers' business.
 */
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import { CoracleError, ioError } from '../errors.js';
import { silentServer } from './errors.js';
import { lateConnection } from './tunnel.js';

/** A request's body: bytes, or a stream whose length is known (Content-Length) or not (chunked encoding). */
export type RequestBody =
  | Uint8Array
  | { readonly length?: number | undefined; readonly chunks: AsyncIterable<Uint8Array> };

/** Milliseconds. */
export type Timeouts = {
  /** Until the connection, with TLS, stands. */
  readonly connect: number;
  /** Without a byte in either direction, while one is due. */
  readonly idle: number;
  /** From the request's last byte to the response's head; as `idle` where not given. */
  readonly answer?: number | undefined;
};

/** 15 s to connect, 60 s of silence. */
export const defaultTimeouts: Timeouts = { connect: 15_000, idle: 60_000 };

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
  const deadline = new Deadline((milliseconds) => outgoing.destroy(silentServer(host, milliseconds)));
  watchConnection(outgoing, options, timeouts.connect);
  try {
    return await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.on('error', reject); // stays: an error after the response must not become an uncaught one
      outgoing.once('upgrade', (_response, socket) => {
        socket.destroy();
        reject(new CoracleError('REGISTRY', `request ${host}: the server switched protocols unasked`));
      });
      sendBody(outgoing, body, deadline, timeouts).catch((error: unknown) => {
        // The source of the body failed: that is the reason the caller must see.
        reject(ioError('read the data to upload', error));
        outgoing.destroy();
      });
    });
  } finally {
    deadline.close();
  }
}

/** Runs only while the other side is due to act; our own slowness is not its fault. */
class Deadline {
  readonly #expire: (milliseconds: number) => void;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(expire: (milliseconds: number) => void) {
    this.#expire = expire;
  }

  start(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const timer = setTimeout(
      () => afterArrivals(() => this.#timer === timer && this.#expire(milliseconds)),
      milliseconds,
    );
    this.#timer = timer;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  close(): void {
    this.#closed = true;
    this.stop();
  }
}

/**
 * Acts when what the kernel holds for us was taken in: a process that had no processor for a while finds its timers
 * due before it has read what came in time.
 */
export function afterArrivals(act: () => void): void {
  // The first turn reads the sockets, the second runs what that set off.
  setImmediate(() => setImmediate(act));
}

function watchConnection(outgoing: ClientRequest, options: RequestOptions, timeout: number): void {
  const host = String(options.host ?? '');
  const timer = setTimeout(() => outgoing.destroy(lateConnection(host, timeout)), timeout);
  outgoing.once('close', () => clearTimeout(timer));
  outgoing.once('socket', (socket) => {
    // An abort between a response's end and the agent's taking the socket back finds no listener (Node 20).
    if (!socket.listeners('error').includes(passOver)) socket.on('error', passOver);
    const established = options.protocol === 'https:' ? 'secureConnect' : 'connect';
    if (socket.connecting || (established === 'secureConnect' && !outgoing.reusedSocket)) {
      socket.once(established, () => clearTimeout(timer));
    } else clearTimeout(timer);
  });
  outgoing.once('response', () => clearTimeout(timer));
}

/** The request reports its socket's errors; this only keeps them from being uncaught. */
function passOver(): void {}

async function sendBody(
  outgoing: ClientRequest,
  body: RequestBody | undefined,
  deadline: Deadline,
  { idle, answer = idle }: Timeouts,
): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body);
    deadline.start(answer);
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
    if (over) return;
    if (outgoing.write(chunk)) continue;
    deadline.start(idle);
    await drained(outgoing);
    deadline.stop();
  }
  if (over) return;
  outgoing.end();
  deadline.start(answer);
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
