/** A server on a loopback port that does to a client what the test says, and remembers what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';

/** What was asked: method, path with query, headers and body. */
export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
};

export type HostileServer = {
  /** `127.0.0.1:port`. */
  readonly host: string;
  readonly port: number;
  readonly asked: readonly Asked[];
  readonly server: Server;
};

/** Answers one request; the body has been read already unless the server is `unread`. */
export type Answer = (asked: Asked, response: ServerResponse, request: IncomingMessage) => void;

export type HostileOptions = {
  /** Makes it an https server. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  /** Answers before reading bodies. */
  readonly unread?: true;
};

/** Starts it; it is gone when the test ends. */
export async function startHostile(
  t: ExecutionContext<unknown>,
  answer: Answer,
  options: HostileOptions = {},
): Promise<HostileServer> {
  const asked: Asked[] = [];
  const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    if (options.unread === undefined) for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '', headers } = request;
    const item = { method, path, headers, body: Buffer.concat(chunks) };
    asked.push(item);
    answer(item, response, request);
  };
  const swallow = (request: IncomingMessage, response: ServerResponse): void => {
    listener(request, response).catch(() => response.destroy()); // the client broke off: that is its right
  };
  const server = options.tls === undefined ? createServer(swallow) : createSecureServer(options.tls, swallow);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, port, asked, server };
}

/** Answers with JSON. */
export function sendJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}
