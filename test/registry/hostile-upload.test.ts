import test from 'ava';
import { uploadBlob } from '../../lib/registry/uploads.js';
import { blob, client, content, digest } from './hostile-fixtures.js';
import { sendJson, startHostile } from './hostile-server.js';

test('an upload refused before its end stops, says why and reads no more of its source', async (t) => {
  const registry = await startHostile(
    t,
    ({ method }, response) => {
      if (method === 'POST') response.writeHead(202, { location: '/up' }).end();
      else sendJson(response, 413, { errors: [{ message: 'too big' }] });
    },
    { unread: true },
  );
  const size = 1024 * 1024 * 1024;
  let produced = 0;
  const source = async function* () {
    for (; produced < size; produced += 65_536) {
      yield Buffer.alloc(65_536);
      if (produced > 1_000_000) await new Promise((done) => setTimeout(done, 5));
    }
  };
  const pusher = client(t, registry.host, { retry: { retries: 0 } });
  await t.throwsAsync(uploadBlob(pusher, 'team/app', { digest, size }, source), {
    code: 'REGISTRY',
    message: /too big/,
  });
  t.true(produced < size / 2);
});

test('a server that takes no more bytes is given up; a slow source is waited for', async (t) => {
  const registry = await startHostile(
    t,
    ({ method }, response, request) => {
      if (method === 'POST') response.writeHead(202, { location: '/up' }).end();
      else if (request.headers['content-length'] === '3') {
        request.resume().on('end', () => response.writeHead(201).end());
      } else request.pause();
    },
    { unread: true },
  );
  const pusher = client(t, registry.host, { timeouts: { idle: 400 }, retry: { retries: 0 } });
  const slow = async function* () {
    for (let count = 0; count < 3; count++) {
      await new Promise((done) => setTimeout(done, 600));
      yield Buffer.from('x');
    }
  };
  await uploadBlob(pusher, 'team/app', { digest, size: 3 }, slow);
  const endless = async function* () {
    for (;;) yield Buffer.alloc(1024 * 1024);
  };
  const stuck = uploadBlob(pusher, 'team/app', { digest, size: 2 ** 40 }, endless);
  await t.throwsAsync(stuck, { code: 'NETWORK', message: /not a byte for 0\.4 s/ });
});

test('a failed upload starts anew with a new source', async (t) => {
  let attempts = 0;
  const registry = await startHostile(t, ({ method }, response) => {
    if (method === 'POST') response.writeHead(202, { location: '/up' }).end();
    else if (attempts++ === 0) sendJson(response, 500, {});
    else response.writeHead(201).end();
  });
  let opened = 0;
  await uploadBlob(client(t, registry.host), 'team/app', blob, async function* () {
    opened++;
    yield content;
  });
  t.is(opened, 2);
});
