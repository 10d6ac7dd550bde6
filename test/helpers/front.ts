/** A server before a registry: counts the bytes of blobs that pass, and gives ranges as other servers do, or breaks off. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecutionContext } from 'ava';

export type Front = {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** Bytes of blobs that passed. */
  bytes: number;
  /** The Range headers of requests for blobs; empty for one without. */
  readonly ranges: string[];
  /** What the server does with ranges: as the one behind, one at a time, the first one of several, or none. */
  kind: 'all' | 'single' | 'first' | 'whole';
  /** After so many bytes of blobs nothing more comes. */
  stallAfter: number;
};

/** Starts it before the registry at `url`; gone when the test ends. */
export async function startFront(t: ExecutionContext<unknown>, url: string): Promise<Front> {
  const server = createServer((incoming, answer) => pass(front, new URL(url), incoming, answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const front: Front = {
    host: `127.0.0.1:${port}`,
    bytes: 0,
    ranges: [],
    kind: 'all',
    stallAfter: Number.POSITIVE_INFINITY,
  };
  return front;
}

function pass(front: Front, base: URL, incoming: IncomingMessage, answer: ServerResponse): void {
  const isBlob = incoming.method === 'GET' && /\/blobs\/sha256:/.test(incoming.url ?? '');
  const headers = { ...incoming.headers };
  if (isBlob) {
    const range = headers.range ?? '';
    front.ranges.push(range);
    const [first = '', ...others] = range.split(',');
    if (front.kind === 'whole' || (front.kind === 'single' && others.length > 0)) delete headers.range;
    if (front.kind === 'first' && range !== '') headers.range = first;
  }
  const { method, url: path } = incoming;
  const onward = request({ host: base.hostname, port: base.port, method, path, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.on('data', (chunk: Buffer) => {
      const left = isBlob ? front.stallAfter - front.bytes : chunk.length;
      const part = chunk.subarray(0, Math.max(0, left));
      if (isBlob) front.bytes += part.length;
      if (part.length > 0) answer.write(part);
      if (part.length < chunk.length) response.pause();
    });
    response.on('end', () => answer.end());
  });
  onward.on('error', () => answer.destroy());
  answer.on('close', () => onward.destroy());
  incoming.pipe(onward);
}
