/** What a registry does to keep a client busy or to fill its memory: each ends within its time, in words. */
import { createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { ociTypes } from '../../lib/oci/media-types.js';
import { parseReference } from '../../lib/oci/reference.js';
import { fetchBlob, hasBlob } from '../../lib/registry/blobs.js';
import type { RegistryOptions } from '../../lib/registry/client.js';
import { getManifest, listTags } from '../../lib/registry/manifests.js';
import {
  basic,
  blob,
  client,
  collector,
  content,
  image,
  manifest,
  password,
  sendManifest,
} from './hostile-fixtures.js';
import { type Answer, sendJson, startHostile } from './hostile-server.js';

const once = { retry: { retries: 0 } };
const impatient: Partial<RegistryOptions> = { timeouts: { idle: 300 }, ...once };

/** A server that speaks no HTTP but these bytes, after each request. */
async function startRaw(t: ExecutionContext<unknown>, speak: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket
      .on('error', () => undefined)
      .once('data', (bytes) => {
        // 0x16: a handshake of TLS, to which this is no server
        if (bytes[0] === 0x16) socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
        else speak(socket);
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
}

const written = (head: string, body: Buffer | string = ''): Buffer =>
  Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]);

const garbage: Readonly<Record<string, Buffer>> = {
  'no HTTP': Buffer.from('\0\x01\x02 SSH-2.0-OpenSSH\r\n'),
  'a status that is none': written('HTTP/1.1 999999 X'),
  'a header without a name': written('HTTP/1.1 200 OK\r\n: x'),
  'a header with a NUL': written('HTTP/1.1 200 OK\r\nX: a\0b'),
  'two lengths': written('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6', 'hello!'),
  'a length below nothing': written('HTTP/1.1 200 OK\r\nContent-Length: -5'),
  'a length and chunks': written(
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked',
    '5\r\nhello\r\n0\r\n\r\n',
  ),
  'a chunk whose size is none': written('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', 'zz\r\nhello'),
  'a chunk of 16 EiB': written('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked', 'ffffffffffffffff\r\nhello'),
  'an unasked change of protocols': written(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x',
  ),
  nothing: Buffer.alloc(0),
};
for (const [title, bytes] of Object.entries(garbage)) {
  test(`S22: ${title} for an answer is refused in words`, async (t) => {
    const host = await startRaw(t, (socket) => void socket.end(bytes));
    const puller = client(t, host, { tlsVerify: false, ...impatient });
    const error = await t.throwsAsync(getManifest(puller, parseReference(`${host}/a:t`)));
    t.regex(String(Reflect.get(error ?? {}, 'code')), /^(NETWORK|REGISTRY|INVALID)$/, error?.message);
  });
}

test('S22: a flood of interim answers is given up as silence is', async (t) => {
  const host = await startRaw(t, (socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(50)), 5);
    socket.on('close', () => clearInterval(timer));
  });
  const begun = Date.now();
  await t.throwsAsync(
    getManifest(client(t, host, { tlsVerify: false, ...impatient }), parseReference(`${host}/a:t`)),
    {
      code: 'NETWORK',
      message: /not a byte/,
    },
  );
  t.true(Date.now() - begun < 10_000);
});

test('S22: tags whose pages lead in a circle, never end or are a million are read within limits', async (t) => {
  const short = Buffer.from(`{"tags":[${'"a",'.repeat(1_000_000)}"b"]}`);
  const registry = await startHostile(t, ({ path }, response) => {
    const page = Number(/page=(\d+)/.exec(path)?.[1] ?? 0);
    if (path.includes('/huge/')) {
      response.writeHead(200, { link: `<?page=${page + 1}>; rel="next"` }).end(short);
      return;
    }
    const next = path.includes('/circle/') ? page % 3 : page;
    if (!path.includes('/million/')) response.setHeader('link', `<?page=${next + 1}>; rel="next"`);
    if (path.includes('/million/')) response.end(short);
    else sendJson(response, 200, { tags: ['a'] });
  });
  const puller = client(t, registry.host, once);
  await t.throwsAsync(listTags(puller, 'team/circle/x'), { code: 'REGISTRY', message: /in a circle/ });
  t.true(registry.asked.length <= 4);
  t.is((await listTags(puller, 'team/million/x')).length, 1_000_001);
  await t.throwsAsync(listTags(puller, 'team/endless/x'), {
    code: 'REGISTRY',
    message: /more than 1000 pages/,
  });
  await t.throwsAsync(listTags(puller, 'team/huge/x'), {
    code: 'REGISTRY',
    message: /more than 67108864 bytes/,
  });
});

test('S38: pages at another host are asked without credentials', async (t) => {
  const thief = await startHostile(t, (_asked, response) => sendJson(response, 200, { tags: ['b'] }));
  const registry = await startHostile(t, ({ headers }, response) => {
    if (headers.authorization === undefined)
      sendJson(response, 401, {}, { 'www-authenticate': 'Basic realm="x"' });
    else sendJson(response, 200, { tags: ['a'] }, { link: `<http://${thief.host}/v2/x>; rel="next"` });
  });
  const puller = client(t, registry.host, { ...once, credentials: async () => password });
  t.deepEqual(await listTags(puller, 'team/app'), ['a', 'b']);
  t.is(registry.asked.at(-1)?.headers.authorization, basic);
  t.deepEqual(
    thief.asked.map(({ headers }) => headers.authorization),
    [undefined],
  );
});

test('a Retry-After of a century is not waited for', async (t) => {
  for (const value of ['3155760000', '9'.repeat(400), 'Fri, 01 Jan 2126 00:00:00 GMT']) {
    const registry = await startHostile(t, (_, response) =>
      sendJson(response, 429, {}, { 'retry-after': value }),
    );
    const begun = Date.now();
    await t.throwsAsync(
      getManifest(client(t, registry.host), image(registry)),
      { message: /too many requests/ },
      value,
    );
    t.is(registry.asked.length, 1, value);
    t.true(Date.now() - begun < 10_000);
  }
});

test('S21: a range that lies, and a length that lies, are noticed', async (t) => {
  const half = content.length / 2;
  const lies: Readonly<Record<string, Answer>> = {
    'another start': (_, response) =>
      response
        .writeHead(206, { 'content-range': `bytes 0-${content.length - 1}/${content.length}` })
        .end(content),
    'another total': (_, response) =>
      response
        .writeHead(206, { 'content-range': `bytes ${half}-${content.length - 1}/${content.length * 2}` })
        .end(content.subarray(half)),
    'no range at all': (_, response) => response.writeHead(206).end(content.subarray(half)),
    'a shorter length': (_, response) =>
      response
        .writeHead(206, {
          'content-range': `bytes ${half}-${content.length - 1}/${content.length}`,
          'content-length': '5',
        })
        .end('12345'),
    'more than the length': (_, response) => response.writeHead(200).end(Buffer.concat([content, content])),
  };
  for (const [title, answer] of Object.entries(lies)) {
    const registry = await startHostile(t, answer);
    const sink = { ...collector(), offset: half };
    const error = await t.throwsAsync(
      fetchBlob(client(t, registry.host, once), 'team/app', blob, sink),
      undefined,
      title,
    );
    t.regex(
      String(Reflect.get(error ?? {}, 'code')),
      /^(REGISTRY|INTEGRITY)$/,
      `${title}: ${error?.message}`,
    );
    t.true(sink.offset <= content.length, title);
  }
});

test('S21: a blob that comes encoded is another blob', async (t) => {
  const registry = await startHostile(t, (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(content)),
  );
  const sink = collector();
  await t.throwsAsync(fetchBlob(client(t, registry.host, once), 'team/app', blob, sink), {
    message: /ended at byte/,
  });
  t.false(Buffer.concat(sink.chunks).includes(content.subarray(0, 100)), 'it is not expanded');
});

test('S38: a token service that never ends, trickles or babbles is given up', async (t) => {
  const replies: Readonly<Record<string, readonly [Answer, RegExp]>> = {
    endless: [
      (_, response) => {
        const more = (): void =>
          void (response.destroyed || response.write(Buffer.alloc(65_536, 'x'), () => setImmediate(more)));
        more();
      },
      // The server shares this process: on a busy machine it is the clock that ends it.
      /more than|next to nothing/,
    ],
    trickle: [
      (_, response) => {
        const timer = setInterval(() => response.write(' '), 20);
        response.on('close', () => clearInterval(timer));
      },
      /next to nothing|not a byte/,
    ],
    silent: [() => undefined, /not a byte/],
    deep: [(_, response) => void response.end(`{"token":${'['.repeat(100_000)}`), /nested|not JSON/],
    number: [(_, response) => sendJson(response, 200, { token: 5 }), /expected a string/],
  };
  for (const [title, [reply, message]] of Object.entries(replies)) {
    let host = '';
    const registry = await startHostile(t, (asked, response, request) => {
      if (asked.path.startsWith('/token')) return reply(asked, response, request);
      sendJson(response, 401, {}, { 'www-authenticate': `Bearer realm="http://${host}/token"` });
    });
    host = registry.host;
    await t.throwsAsync(getManifest(client(t, host, impatient), image(registry)), { message }, title);
  }
});

test('S22: an error page that trickles does not hold anybody for long', async (t) => {
  const registry = await startHostile(t, (_, response) => {
    response.writeHead(400).flushHeaders();
    const timer = setInterval(() => response.write(Buffer.alloc(600, 'x')), 100);
    response.on('close', () => clearInterval(timer));
  });
  const begun = Date.now();
  await t.throwsAsync(
    getManifest(client(t, registry.host, { ...impatient, timeouts: { idle: 1000 } }), image(registry)),
    {
      message: /status 400/,
    },
  );
  t.true(Date.now() - begun < 10_000, `${Date.now() - begun} ms`);
});

test('S22: an answer cut off at any byte is an error, never half a document', async (t) => {
  for (const length of [0, 1, manifest.length >> 1, manifest.length - 1]) {
    const registry = await startHostile(t, (_, response) => {
      response.writeHead(200, { 'content-type': ociTypes.manifest, 'content-length': `${manifest.length}` });
      response.write(manifest.subarray(0, length), () => response.destroy());
      if (length === 0) setTimeout(() => response.destroy(), 50);
    });
    await t.throwsAsync(
      getManifest(client(t, registry.host, once), image(registry)),
      { code: 'NETWORK' },
      `${length}`,
    );
  }
});

test('S38: where credentials were dropped on the way, the next request has its own again', async (t) => {
  const store = await startHostile(t, (_, response) =>
    response.writeHead(200, { 'content-length': `${content.length}` }).end(content),
  );
  const registry = await startHostile(t, (asked, response, request) => {
    if (asked.headers.authorization === undefined)
      sendJson(response, 401, {}, { 'www-authenticate': 'Basic' });
    else if (asked.path.includes('/blobs/'))
      response.writeHead(307, { location: `http://${store.host}/b` }).end();
    else sendManifest(asked, response, request);
  });
  const puller = client(t, registry.host, { ...once, credentials: async () => password });
  await getManifest(puller, image(registry));
  t.true(await hasBlob(puller, 'team/app', blob));
  await getManifest(puller, image(registry));
  t.deepEqual(
    store.asked.map(({ headers }) => [headers.authorization, headers.cookie]),
    [[undefined, undefined]],
  );
  t.is(registry.asked.at(-1)?.headers.authorization, basic);
});
