import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { makeDigest } from '../../lib/oci/digest.js';
import { serializeManifest } from '../../lib/oci/manifest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { parseReference, type Reference } from '../../lib/oci/reference.js';
import { fetchBlob, hasBlob } from '../../lib/registry/blobs.js';
import {
  createRegistryClient,
  type RegistryClient,
  type RegistryOptions,
} from '../../lib/registry/client.js';
import type { Credentials } from '../../lib/registry/credentials.js';
import { getManifest, listTags, resolve } from '../../lib/registry/manifests.js';
import { uploadBlob } from '../../lib/registry/uploads.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, temporaryDirectory } from '../helpers/host.js';
import { makeCertificate } from '../helpers/registry.js';
import { type Answer, type HostileServer, sendJson, startHostile } from './hostile-server.js';

const content = Buffer.from('0123456789'.repeat(20_000));
const digest = makeDigest('sha256', createHash('sha256').update(content).digest('hex'));
const blob = { digest, size: content.length };
const config = { mediaType: ociTypes.config, digest, size: 2 };
const manifest = Buffer.from(
  serializeManifest({ kind: 'manifest', mediaType: ociTypes.manifest, config, layers: [] }),
);
const manifestDigest = makeDigest('sha256', createHash('sha256').update(manifest).digest('hex'));
const password: Credentials = { kind: 'password', username: 'u', password: 'secret' };
const basic = `Basic ${Buffer.from('u:secret').toString('base64')}`;
const fast = { retries: 3, delay: 1, maximumDelay: 5 };

function client(
  t: ExecutionContext<unknown>,
  host: string,
  options: Partial<RegistryOptions> = {},
): RegistryClient {
  const made = createRegistryClient({ registry: host, env: {}, retry: fast, ...options });
  t.teardown(() => made.close());
  return made;
}

function image({ host }: HostileServer, suffix = ':t'): Reference {
  return parseReference(`${host}/team/app${suffix}`);
}

function collector() {
  return {
    offset: 0,
    chunks: [] as Buffer[],
    append(chunk: Uint8Array): void {
      this.chunks.push(Buffer.from(chunk));
      this.offset += chunk.length;
    },
  };
}

const sendManifest: Answer = (_asked, response) => {
  response.writeHead(200, { 'content-type': ociTypes.manifest, 'docker-content-digest': manifestDigest });
  response.end(manifest);
};

/** Serves the blob, by ranges where `ranges`, broken off after `limit` bytes of each answer. */
function serveBlob(limit: number, ranges: 'ranges' | 'whole'): Answer {
  return ({ headers }, response) => {
    const start = ranges === 'ranges' ? Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0) : 0;
    const rest = content.subarray(start);
    const range = { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start === 0 ? 200 : 206, {
      'content-length': `${rest.length}`,
      ...(start === 0 ? {} : range),
    });
    if (limit >= rest.length) response.end(rest);
    else response.write(rest.subarray(0, limit), () => response.destroy());
  };
}

test('credentials are not sent along a redirect to another port', async (t) => {
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

test('credentials stay dropped when a redirect comes back', async (t) => {
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

test('a challenge from the target of a redirect gets no credentials', async (t) => {
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

test('a sixth redirect is refused', async (t) => {
  const registry = await startHostile(t, ({ path }, response) =>
    response.writeHead(307, { location: `${path}x` }).end(),
  );
  await t.throwsAsync(getManifest(client(t, registry.host), image(registry)), {
    code: 'REGISTRY',
    message: /5 redirects/,
  });
  t.is(registry.asked.length, 6);
});

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
  const error = await t.throwsAsync(getManifest(client(t, host), image(registry)), { code: 'UNAUTHORIZED' });
  t.regex(error?.message ?? '', /may not do this/);
  t.is(registry.asked.length, 3);
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

test('a blob is put together from broken answers by ranges', async (t) => {
  const registry = await startHostile(t, serveBlob(70_000, 'ranges'));
  const sink = collector();
  await fetchBlob(client(t, registry.host), 'team/app', blob, sink);
  t.true(Buffer.concat(sink.chunks).equals(content));
  t.is(registry.asked.length, 3);
  t.is(registry.asked[1]?.headers.range, `bytes=${70_000}-${content.length - 1}`);
});

test('a server that ignores ranges is read again from the start, and nothing is handed over twice', async (t) => {
  let limit = 70_000;
  const registry = await startHostile(t, (...all) => {
    serveBlob(limit, 'whole')(...all);
    limit = content.length;
  });
  const sink = collector();
  await fetchBlob(client(t, registry.host), 'team/app', blob, sink);
  t.true(Buffer.concat(sink.chunks).equals(content));
});

test('a blob of another size, longer or in the wrong range is refused and not tried again', async (t) => {
  let answer: Answer = (_, response) => response.writeHead(200, { 'content-length': '5' }).end('12345');
  const registry = await startHostile(t, (...all) => answer(...all));
  const puller = client(t, registry.host);
  await t.throwsAsync(fetchBlob(puller, 'team/app', blob, collector()), {
    code: 'INTEGRITY',
    message: /has 5 bytes/,
  });
  await t.throwsAsync(hasBlob(puller, 'team/app', blob), { code: 'INTEGRITY' });
  answer = (_, response) => response.writeHead(200).end(Buffer.concat([content, Buffer.from('!')]));
  const sink = collector();
  await t.throwsAsync(fetchBlob(puller, 'team/app', blob, sink), { code: 'INTEGRITY', message: /more than/ });
  t.true(sink.offset <= content.length);
  answer = (_, response) =>
    response
      .writeHead(206, { 'content-range': `bytes 0-${content.length - 1}/${content.length}` })
      .end(content);
  await t.throwsAsync(fetchBlob(puller, 'team/app', blob, { ...collector(), offset: 10 }), {
    code: 'REGISTRY',
  });
  t.is(registry.asked.length, 4);
});

test('a body that trickles or stops is given up after silence', async (t) => {
  const registry = await startHostile(t, ({ path }, response) => {
    response.writeHead(200, { 'content-type': ociTypes.manifest });
    if (!path.includes('silent')) response.write('{');
  });
  const impatient = client(t, registry.host, { timeouts: { idle: 100 }, retry: { retries: 0 } });
  await t.throwsAsync(getManifest(impatient, image(registry)), {
    code: 'NETWORK',
    message: /not a byte for 0\.1 s/,
  });
  await t.throwsAsync(getManifest(impatient, image(registry, ':silent')), {
    code: 'NETWORK',
    message: /not a byte/,
  });
});

test('a slow consumer is not taken for a silent server', async (t) => {
  const registry = await startHostile(t, serveBlob(content.length, 'whole'));
  const sink = {
    ...collector(),
    append: async (chunk: Uint8Array) => {
      await new Promise((done) => setTimeout(done, 120));
      sink.offset += chunk.length;
    },
  };
  await fetchBlob(
    client(t, registry.host, { timeouts: { idle: 50 }, retry: { retries: 0 } }),
    'team/app',
    blob,
    sink,
  );
  t.is(sink.offset, content.length);
});

test('an endless manifest or error page is cut off', async (t) => {
  const registry = await startHostile(t, ({ path }, response) => {
    response.writeHead(path.endsWith('error') ? 400 : 200, { 'content-type': ociTypes.manifest });
    const more = (): void => {
      if (!response.destroyed) response.write(Buffer.alloc(65_536, 'x'), () => setImmediate(more));
    };
    more();
  });
  await t.throwsAsync(getManifest(client(t, registry.host), image(registry)), {
    code: 'REGISTRY',
    message: /more than 4194304/,
  });
  await t.throwsAsync(getManifest(client(t, registry.host), image(registry, ':error')), {
    code: 'REGISTRY',
    message: /status 400/,
  });
});

test('a manifest must hash to what was asked and to what the header says', async (t) => {
  const registry = await startHostile(t, sendManifest);
  const puller = client(t, registry.host);
  t.is((await getManifest(puller, image(registry))).descriptor.digest, manifestDigest);
  const wrong = getManifest(puller, image(registry, `@${digest}`));
  await t.throwsAsync(wrong, {
    code: 'INTEGRITY',
    message: new RegExp(`digest ${manifestDigest}, expected ${digest}`),
  });
  const lying = await startHostile(t, (_, response) => {
    response
      .writeHead(200, { 'content-type': ociTypes.manifest, 'docker-content-digest': digest })
      .end(manifest);
  });
  await t.throwsAsync(getManifest(client(t, lying.host), image(lying)), { code: 'INTEGRITY' });
  const expected = { mediaType: ociTypes.index, digest: manifestDigest, size: manifest.length };
  await t.throwsAsync(getManifest(puller, image(registry), expected), {
    code: 'INVALID',
    message: /announced as/,
  });
});

test('what HEAD does not tell is asked by GET', async (t) => {
  const registry = await startHostile(t, (asked, response, request) => {
    if (asked.method === 'HEAD') response.writeHead(200, { 'content-type': ociTypes.manifest }).end();
    else sendManifest(asked, response, request);
  });
  t.deepEqual(await resolve(client(t, registry.host), image(registry)), {
    mediaType: ociTypes.manifest,
    digest: manifestDigest,
    size: manifest.length,
  });
});

test('429 and 503 are waited out, at least as long as Retry-After says', async (t) => {
  const statuses = [429, 503];
  const registry = await startHostile(t, (asked, response, request) => {
    const status = statuses.shift();
    if (status === undefined) return sendManifest(asked, response, request);
    sendJson(response, status, {}, status === 429 ? { 'retry-after': '1' } : {});
  });
  const delays: number[] = [];
  const patient = client(t, registry.host, { onRetry: ({ delay }) => delays.push(delay) });
  await getManifest(patient, image(registry));
  t.is(delays.length, 2);
  t.is(delays[0], 1000);
});

test('a connection that breaks before any answer is tried again, and named when it keeps breaking', async (t) => {
  let breaks = 2;
  const registry = await startHostile(t, (asked, response, request) => {
    if (breaks-- > 0) response.destroy();
    else sendManifest(asked, response, request);
  });
  await getManifest(client(t, registry.host), image(registry));
  t.is(registry.asked.length, 3);
  breaks = Number.POSITIVE_INFINITY;
  await t.throwsAsync(getManifest(client(t, registry.host), image(registry)), {
    code: 'NETWORK',
    message: /broke off/,
  });
});

test('an upload goes where Location says, its query kept, without credentials to another origin', async (t) => {
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

test('aborting ends a transfer at once', async (t) => {
  const registry = await startHostile(t, (_, response) => {
    response.writeHead(200, { 'content-length': `${content.length}` }).write('0');
  });
  const puller = client(t, registry.host, { signal: AbortSignal.timeout(50) });
  await t.throwsAsync(fetchBlob(puller, 'team/app', blob, collector()), { code: 'ABORTED' });
});

test('pages of tags are followed', async (t) => {
  const registry = await startHostile(t, ({ path }, response) => {
    const last = path.includes('last=');
    const headers = last ? {} : { link: '</v2/team/app/tags/list?last=b&n=2>; rel="next"' };
    sendJson(response, 200, { tags: last ? ['c'] : ['a', 'b'] }, headers as Record<string, string>);
  });
  t.deepEqual(await listTags(client(t, registry.host), 'team/app'), ['a', 'b', 'c']);
});

testWith([missingProgram('openssl')], 'a redirect from https to plain HTTP is refused', async (t) => {
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
  'https goes through the CONNECT of a proxy, whose password stays with it',
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
