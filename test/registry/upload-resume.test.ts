/** Uploads that break off, and registries behind something that takes no large requests. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import test, { type ExecutionContext } from 'ava';
import { makeDigest } from '../../lib/oci/digest.js';
import { createRegistryClient } from '../../lib/registry/client.js';
import { uploadBlob } from '../../lib/registry/uploads.js';
import { startHostile } from './hostile-server.js';

const quick = { retries: 2, delay: 1, maximumDelay: 2 };

type Knobs = {
  /** The first request with so many bytes of a blob is cut off there. */
  cutAt?: number | undefined;
  /** Bytes of the largest body. */
  largest?: number;
  minimumChunk?: number;
  /** What the registry forgets of what it got when it is cut off. */
  forgets?: 'all' | number;
  /** The chunk from here is said to be out of place, once. */
  refuses?: number | undefined;
};

/** A registry of one blob, which is what was uploaded when it is complete. */
async function registry(t: ExecutionContext, knobs: Knobs) {
  const state = { size: 0, stored: undefined as Buffer | undefined, requests: [] as string[] };
  let parts: Buffer[] = [];
  const shorten = (size: number): void => {
    parts = [Buffer.concat(parts).subarray(0, size)];
    state.size = size;
  };
  const range = (): Record<string, string> => (state.size === 0 ? {} : { range: `0-${state.size - 1}` });
  const location = { location: '/v2/r/blobs/uploads/1?state=x' };
  const take = async (request: IncomingMessage): Promise<boolean> => {
    for await (const chunk of request) {
      parts.push(chunk);
      state.size += chunk.length;
      if (knobs.cutAt === undefined || state.size < knobs.cutAt) continue;
      shorten(typeof knobs.forgets === 'number' ? knobs.forgets : knobs.cutAt);
      knobs.cutAt = undefined;
      request.socket.destroy();
      return false;
    }
    return true;
  };
  const upload = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const length = Number(request.headers['content-length'] ?? 0);
    if (length > (knobs.largest ?? Number.POSITIVE_INFINITY))
      return void response.writeHead(413, { connection: 'close' }).end();
    const from = /^(\d+)-/.exec(request.headers['content-range'] ?? '')?.[1];
    const isRefused = from !== undefined && Number(from) === knobs.refuses;
    if (isRefused || (from !== undefined && Number(from) !== state.size)) {
      knobs.refuses = undefined;
      return void response.writeHead(416, range()).end();
    }
    if (!(await take(request))) return;
    if (request.method === 'PATCH') return void response.writeHead(202, { ...location, ...range() }).end();
    state.stored = Buffer.concat(parts);
    response.writeHead(201).end();
  };
  const { host } = await startHostile(
    t,
    (_asked, response, request) => {
      const { method = '', headers } = request;
      const about = headers['content-range'] ?? headers['content-length'] ?? '';
      state.requests.push(`${method} ${about}`.trim());
      if (method === 'POST') {
        shorten(0);
        const { minimumChunk: minimum } = knobs;
        const wants = minimum === undefined ? {} : { 'oci-chunk-min-length': `${minimum}` };
        response.writeHead(202, { ...location, ...wants }).end();
      } else if (method === 'GET') {
        response.writeHead(knobs.forgets === 'all' ? 404 : 204, { ...location, ...range() }).end();
      } else upload(request, response).catch(() => response.destroy());
    },
    { unread: true },
  );
  return { host, state };
}

async function send(t: ExecutionContext, host: string, bytes: Buffer): Promise<void> {
  const client = createRegistryClient({ registry: host, tlsVerify: false, retry: quick, env: {} });
  t.teardown(() => client.close());
  const digest = makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
  await uploadBlob(client, 'r', { digest, size: bytes.length }, async function* () {
    for (let at = 0; at < bytes.length; at += 50_000) yield bytes.subarray(at, at + 50_000);
  });
}

const blob = Buffer.alloc(1_000_000, 'some bytes');
const large = Buffer.alloc(40_000_000, 'many bytes');

test('an upload that breaks off goes on where the registry stands', async (t) => {
  const { host, state } = await registry(t, { cutAt: 400_000 });
  await send(t, host, blob);
  t.true(state.stored?.equals(blob));
  t.deepEqual(state.requests, ['POST 0', 'PUT 1000000', 'GET', 'PATCH 400000-999999', 'PUT 0']);
});

test('what the registry lost is sent again', async (t) => {
  const { host, state } = await registry(t, { cutAt: 400_000, forgets: 123_457 });
  await send(t, host, blob);
  t.true(state.stored?.equals(blob));
  t.is(state.requests[3], 'PATCH 123457-999999');
});

test('an upload that the registry forgot begins anew', async (t) => {
  const { host, state } = await registry(t, { cutAt: 400_000, forgets: 'all' });
  await send(t, host, blob);
  t.true(state.stored?.equals(blob));
  t.deepEqual(state.requests, ['POST 0', 'PUT 1000000', 'GET', 'POST 0', 'PUT 1000000']);
});

test('what does not go in one piece goes in chunks', async (t) => {
  const { host, state } = await registry(t, { largest: 20_000_000 });
  await send(t, host, large);
  t.true(state.stored?.equals(large));
  const chunks = ['PATCH 0-16777215', 'PATCH 16777216-33554431', 'PATCH 33554432-39999999'];
  t.deepEqual(state.requests, ['POST 0', 'PUT 40000000', 'POST 0', ...chunks, 'PUT 0']);
});

test('chunks are as large as the registry wants them', async (t) => {
  const { host, state } = await registry(t, { largest: 30_000_000, minimumChunk: 25_000_000 });
  await send(t, host, large);
  t.deepEqual(
    state.requests.filter((request) => request.startsWith('PATCH')),
    ['PATCH 0-24999999', 'PATCH 25000000-39999999'],
  );
});

test('chunks, too, go on where the registry stands', async (t) => {
  const { host, state } = await registry(t, { largest: 20_000_000, cutAt: 18_000_000 });
  await send(t, host, large);
  t.true(state.stored?.equals(large));
  t.true(state.requests.includes('PATCH 18000000-34777215'), state.requests.join('\n'));
});

test('a chunk that is said to be out of place is sent from where the registry stands', async (t) => {
  const { host, state } = await registry(t, { largest: 20_000_000, refuses: 16_777_216 });
  await send(t, host, large);
  t.true(state.stored?.equals(large));
  t.is(state.requests.filter((request) => request === 'PATCH 16777216-33554431').length, 2);
  t.is(state.requests.filter((request) => request === 'GET').length, 1);
});
