import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { parseReference } from '../../lib/oci/reference.js';
import { fetchBlob } from '../../lib/registry/blobs.js';
import type { Credentials } from '../../lib/registry/credentials.js';
import { getManifest } from '../../lib/registry/manifests.js';
import { uploadBlob } from '../../lib/registry/uploads.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeCertificate } from '../helpers/registry.js';
import {
  basic,
  blob,
  client,
  collector,
  content,
  digest,
  image,
  password,
  sendManifest,
  serveBlob,
} from './hostile-fixtures.js';
import { type Answer, sendJson, startHostile } from './hostile-server.js';

test('S38: credentials are not sent along a redirect to another port', async (t) => {
  const other = await startHostile(t, serveBlob(content.length, 'whole'));
  const registry = await startHostile(t, ({ headers }, response) => {
    if (headers.authorization === undefined) {
      sendJson(response, 401, {}, { 'www-authenticate': 'Basic realm="r"' });
    } else
      response.writeHead(307, { location: `http://${other.host}/blob?signed=1`, 'set-cookie': 'a=b' }).end();
  });
  const sink = collector();
  await fetchBlob(client(t, registry.host, { credentials: async () => password }), 'team/app', blob, sink);
  t.true(Buffer.concat(sink.chunks).equals(content));
  t.deepEqual(
    registry.asked.map(({ headers }) => headers.authorization),
    [undefined, basic],
  );
  t.is(other.asked[0]?.path, '/blob?signed=1');
  t.is(other.asked[0]?.headers.authorization, undefined);
  t.is(other.asked[0]?.headers.cookie, undefined);
});

test('S38: credentials stay dropped when a redirect comes back', async (t) => {
  let home = '';
  const other = await startHostile(t, (_, response) =>
    response.writeHead(302, { location: `${home}/back` }).end(),
  );
  const registry = await startHostile(t, ({ path, headers }, response) => {
    if (path === '/back')
      sendManifest({ method: '', path, headers, body: Buffer.alloc(0) }, response, response.req);
    else if (headers.authorization === undefined)
      sendJson(response, 401, {}, { 'www-authenticate': 'Basic' });
    else response.writeHead(302, { location: `http://${other.host}/away` }).end();
  });
  home = `http://${registry.host}`;
  await getManifest(client(t, registry.host, { credentials: async () => password }), image(registry));
  t.is(registry.asked.at(-1)?.path, '/back');
  t.is(registry.asked.at(-1)?.headers.authorization, undefined);
});

test('S38: a challenge from the target of a redirect gets no credentials', async (t) => {
  const other = await startHostile(t, (_, response) =>
    sendJson(response, 401, {}, { 'www-authenticate': 'Basic realm="x"' }),
  );
  const registry = await startHostile(t, (_, response) =>
    response.writeHead(307, { location: `http://${other.host}/` }).end(),
  );
  const asked = client(t, registry.host, { credentials: async () => password });
  await t.throwsAsync(getManifest(asked, image(registry)), { code: 'UNAUTHORIZED' });
  t.deepEqual(
    other.asked.map(({ headers }) => headers.authorization),
    [undefined],
  );
});

test('S38: redirects to files, other schemes and in circles between hosts are refused', async (t) => {
  let other = '';
  const places = {
    file: 'file:///etc/passwd',
    ftp: 'ftp://127.0.0.1/x',
    none: 'http://',
    data: 'data:text/plain,x',
  };
  const registry = await startHostile(t, ({ path }, response) => {
    const name = path.split('/').at(-1) as keyof typeof places;
    response.writeHead(302, { location: places[name] ?? `http://${other}${path}` }).end();
  });
  const second = await startHostile(t, ({ path }, response) =>
    response.writeHead(302, { location: `http://${registry.host}${path}` }).end(),
  );
  other = second.host;
  for (const name of Object.keys(places)) {
    const refused = getManifest(client(t, registry.host), image(registry, `:${name}`));
    await t.throwsAsync(refused, { code: 'REGISTRY', message: /unusable Location/ }, name);
  }
  await t.throwsAsync(getManifest(client(t, registry.host), image(registry, ':circle')), {
    message: /5 redirects/,
  });
});

test('S38: a realm inside of the network, of another scheme or with a redirect gets no credentials', async (t) => {
  const thief = await startHostile(t, (_asked, response) => sendJson(response, 200, { token: 'x' }));
  const realms: Record<string, string> = {
    private: 'http://10.1.2.3/token',
    metadata: 'http://169.254.169.254/latest',
    file: 'file:///etc/passwd',
    relative: '/token',
    user: `http://a:b@${thief.host}/token`,
  };
  const registry = await startHostile(t, ({ path }, response) => {
    const name = path.split('/').at(-1) ?? '';
    if (path.startsWith('/moved')) response.writeHead(307, { location: `http://${thief.host}/token` }).end();
    else {
      const realm = realms[name] ?? `http://${registry.host}/moved`;
      sendJson(response, 401, {}, { 'www-authenticate': `Bearer realm="${realm}",service="s"` });
    }
  });
  for (const name of Object.keys(realms)) {
    const asked = client(t, registry.host, { credentials: async () => password });
    await t.throwsAsync(
      getManifest(asked, image(registry, `:${name}`)),
      { code: 'REGISTRY', message: /token service/ },
      name,
    );
  }
  t.deepEqual(thief.asked, []);
  const led = client(t, registry.host, { credentials: async () => password });
  await t.throwsAsync(getManifest(led, image(registry, ':moved')), { code: 'UNAUTHORIZED' });
  t.deepEqual(
    thief.asked.map(({ headers }) => headers.authorization),
    [undefined],
  );
});

test('S38: a sixth redirect is refused', async (t) => {
  const registry = await startHostile(t, ({ path }, response) =>
    response.writeHead(307, { location: `${path}x` }).end(),
  );
  await t.throwsAsync(getManifest(client(t, registry.host), image(registry)), {
    code: 'REGISTRY',
    message: /5 redirects/,
  });
  t.is(registry.asked.length, 6);
});

test.serial(
  'a bearer token that is refused without a reason is renewed once, when it is not new',
  async (t) => {
    let [valid, late, host] = ['one', 0, ''];
    const registry = await startHostile(t, (asked, response, request) => {
      if (asked.path.startsWith('/token')) return sendJson(response, 200, { token: valid, expires_in: 300 });
      if (asked.headers.authorization === `Bearer ${valid}` && valid !== 'none') {
        return sendManifest(asked, response, request);
      }
      const challenge = `Bearer realm="http://${host}/token",service="svc",scope="repository:team/app:pull"`;
      sendJson(response, 401, {}, { 'www-authenticate': challenge });
    });
    host = registry.host;
    const now = Date.now;
    Date.now = () => now() + late;
    t.teardown(() => {
      Date.now = now;
    });
    const tokens = (): number => registry.asked.filter(({ path }) => path.startsWith('/token')).length;
    const puller = client(t, host, { credentials: async () => password });
    const refused = { code: 'UNAUTHORIZED', message: /may not do this/ };
    await getManifest(puller, image(registry));
    valid = 'two';
    await t.throwsAsync(getManifest(puller, image(registry)), refused);
    t.is(tokens(), 1);
    late = 6000;
    await Promise.all([1, 2, 3].map(() => getManifest(puller, image(registry))));
    t.is(tokens(), 2);
    valid = 'none';
    late = 12_000;
    await t.throwsAsync(getManifest(puller, image(registry)), refused);
    t.is(tokens(), 3);
  },
);

test('a bearer token is fetched for the scope, used again, and renewed when it is refused as invalid', async (t) => {
  let valid = 'one';
  let host = '';
  const registry = await startHostile(t, (asked, response, request) => {
    if (asked.path.startsWith('/token')) {
      sendJson(response, 200, { token: valid, expires_in: 300 });
      return;
    }
    if (asked.headers.authorization === `Bearer ${valid}`) return sendManifest(asked, response, request);
    const scope = 'repository:team/app:pull';
    const challenge = `Bearer realm="http://${host}/token",service="svc",scope="${scope}",error="invalid_token"`;
    sendJson(response, 401, {}, { 'www-authenticate': challenge });
  });
  host = registry.host;
  const puller = client(t, host, { credentials: async () => password });
  await getManifest(puller, image(registry));
  await getManifest(puller, image(registry));
  valid = 'two';
  await getManifest(puller, image(registry));
  const tokens = registry.asked.filter(({ path }) => path.startsWith('/token'));
  t.is(tokens.length, 2);
  const query = new URL(tokens[0]?.path ?? '', 'http://x').searchParams;
  t.is(query.get('service'), 'svc');
  t.deepEqual(query.getAll('scope'), ['repository:team/app:pull']);
  t.is(tokens[0]?.headers.authorization, basic);
  t.deepEqual(
    registry.asked
      .filter(({ path }) => path.includes('manifests'))
      .map(({ headers }) => headers.authorization),
    [undefined, 'Bearer one', 'Bearer one', 'Bearer one', 'Bearer two'],
  );
});

test('an identity token is exchanged by POST, and a further scope demanded is asked for', async (t) => {
  let host = '';
  const registry = await startHostile(t, (asked, response, request) => {
    if (asked.path === '/token') {
      const scope = new URLSearchParams(asked.body.toString()).get('scope') ?? '';
      sendJson(response, 200, { access_token: scope.includes('extra') ? 'wide' : 'narrow' });
      return;
    }
    if (asked.headers.authorization === 'Bearer wide') return sendManifest(asked, response, request);
    const challenge = `Bearer realm="http://${host}/token",scope="repository:extra:pull",error="insufficient_scope"`;
    sendJson(response, 401, {}, { 'www-authenticate': challenge });
  });
  host = registry.host;
  const identity: Credentials = { kind: 'identity-token', token: 'refresh-me' };
  await getManifest(client(t, host, { credentials: async () => identity }), image(registry));
  const form = new URLSearchParams(registry.asked.find(({ path }) => path === '/token')?.body.toString());
  t.is(form.get('grant_type'), 'refresh_token');
  t.is(form.get('refresh_token'), 'refresh-me');
  t.is(form.get('scope'), 'repository:team/app:pull repository:extra:pull');
});

test('a refused account is told so after one token, not after many', async (t) => {
  let host = '';
  const registry = await startHostile(t, ({ path }, response) => {
    if (path.startsWith('/token')) return sendJson(response, 200, { token: 'useless' });
    sendJson(response, 401, {}, { 'www-authenticate': `Bearer realm="http://${host}/token"` });
  });
  host = registry.host;
  const known = client(t, host, { credentials: async () => password });
  await t.throwsAsync(getManifest(known, image(registry)), {
    code: 'UNAUTHORIZED',
    message: /may not do this/,
  });
  t.is(registry.asked.length, 3);
  const stranger = getManifest(client(t, host), image(registry));
  await t.throwsAsync(stranger, { code: 'UNAUTHORIZED', message: /does not exist, or it needs a login/ });
});

test('a token service that refuses, babbles or is elsewhere gets one clear error', async (t) => {
  let realm = '';
  let reply: Answer = (_, response) => sendJson(response, 401, {});
  const registry = await startHostile(t, (asked, response, request) => {
    if (asked.path.startsWith('/token')) return reply(asked, response, request);
    sendJson(response, 401, {}, { 'www-authenticate': `Bearer realm="${realm}"` });
  });
  const attempt = (): Promise<unknown> =>
    getManifest(client(t, registry.host, { credentials: async () => password }), image(registry));
  realm = `http://${registry.host}/token`;
  await t.throwsAsync(attempt(), { code: 'UNAUTHORIZED', message: /wrong user name/ });
  reply = (_, response) => sendJson(response, 200, { token: 'a\nb' });
  await t.throwsAsync(attempt(), { code: 'REGISTRY', message: /no usable token/ });
  reply = (_, response) => response.writeHead(200).end('x'.repeat(2 * 1024 * 1024));
  await t.throwsAsync(attempt(), { code: 'REGISTRY', message: /more than/ });
  realm = 'http://10.0.0.1/token';
  await t.throwsAsync(attempt(), { code: 'REGISTRY', message: /private address/ });
});

test('S38: an upload goes where Location says, its query kept, without credentials to another origin', async (t) => {
  const store = await startHostile(t, (_, response) => response.writeHead(201).end());
  const registry = await startHostile(t, ({ headers }, response) => {
    if (headers.authorization === undefined) sendJson(response, 401, {}, { 'www-authenticate': 'Basic' });
    else response.writeHead(202, { location: `http://${store.host}/up?_state=a%2Bb%3D&x=%20` }).end();
  });
  const pusher = client(t, registry.host, { credentials: async () => password });
  await uploadBlob(pusher, 'team/app', blob, async function* () {
    yield content;
  });
  t.is(store.asked[0]?.path, `/up?_state=a%2Bb%3D&x=%20&digest=${encodeURIComponent(digest)}`);
  t.is(store.asked[0]?.headers.authorization, undefined);
  t.is(store.asked[0]?.headers['content-length'], `${content.length}`);
  t.true(store.asked[0]?.body.equals(content));
});

testWith([missingProgram('openssl')], 'S38: a redirect from https to plain HTTP is refused', async (t) => {
  const directory = temporaryDirectory(t);
  const [cert, key] = [join(directory, 'ca.crt'), join(directory, 'key')];
  makeCertificate(cert, key);
  const plain = await startHostile(t, sendManifest);
  const tls = { cert: readFileSync(cert), key: readFileSync(key) };
  const registry = await startHostile(
    t,
    (_, response) => response.writeHead(307, { location: `http://${plain.host}/` }).end(),
    { tls },
  );
  const puller = client(t, registry.host, { certDir: directory });
  await t.throwsAsync(getManifest(puller, image(registry)), {
    code: 'NETWORK',
    message: /from https to plain/,
  });
  t.is(plain.asked.length, 0);
});

testWith(
  [missingProgram('openssl')],
  'S38: https goes through the CONNECT of a proxy, whose password stays with it',
  async (t) => {
    const directory = temporaryDirectory(t);
    const [cert, key] = [join(directory, 'ca.crt'), join(directory, 'key')];
    makeCertificate(cert, key, 'registry.example.org');
    const tls = { cert: readFileSync(cert), key: readFileSync(key) };
    const registry = await startHostile(t, sendManifest, { tls });
    const proxy = await startHostile(t, (_, response) => response.writeHead(500).end());
    const connects: unknown[] = [];
    proxy.server.on('connect', (request, socket) => {
      connects.push([request.url, request.headers['proxy-authorization']]);
      const upstream = connectTcp(registry.port, '127.0.0.1');
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket).pipe(upstream);
      for (const end of [socket, upstream]) end.on('error', () => upstream.destroy());
    });
    const env = { HTTPS_PROXY: `http://u:secret@${proxy.host}` };
    const reference = parseReference('registry.example.org/team/app:t');
    await getManifest(client(t, 'registry.example.org', { env, certDir: directory }), reference);
    t.deepEqual(connects, [['registry.example.org:443', basic]]);
    t.is(registry.asked[0]?.headers['proxy-authorization'], undefined);
    const refused = client(t, 'registry.example.org', { env: { HTTPS_PROXY: `http://${registry.host}` } });
    await t.throwsAsync(getManifest(refused, reference), { code: 'NETWORK' });
  },
);

test('plain HTTP to a host out of direct reach goes to its proxy in absolute form', async (t) => {
  const proxy = await startHostile(t, sendManifest);
  const env = { HTTP_PROXY: `http://u:secret@${proxy.host}` };
  const puller = client(t, 'registry.invalid:5000', { env, tlsVerify: false, retry: { retries: 0 } });
  await getManifest(puller, parseReference('registry.invalid:5000/a'));
  t.is(proxy.asked[0]?.path, 'http://registry.invalid:5000/v2/a/manifests/latest');
  t.is(proxy.asked[0]?.headers['proxy-authorization'], basic);
  t.is(proxy.asked[0]?.headers.host, 'registry.invalid:5000');
});
