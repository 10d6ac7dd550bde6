import { gzipSync } from 'node:zlib';
import test from 'ava';
import { ociTypes } from '../../lib/oci/media-types.js';
import { fetchBlob, hasBlob, readBlob } from '../../lib/registry/blobs.js';
import { getManifest, listTags, resolve } from '../../lib/registry/manifests.js';
import { verifiedBytes } from '../../lib/transfer/place.js';
import {
  blob,
  client,
  collector,
  content,
  digest,
  image,
  manifest,
  manifestDigest,
  sendManifest,
  serveBlob,
} from './hostile-fixtures.js';
import { type Answer, sendJson, startHostile } from './hostile-server.js';

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

test('S21: a blob of another size, longer or in the wrong range is refused and not tried again', async (t) => {
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
    message: /next to nothing came in 0\.1 s|not a byte for 0\.1 s/,
  });
  await t.throwsAsync(getManifest(impatient, image(registry, ':silent')), {
    code: 'NETWORK',
    message: /not a byte/,
  });
});

test.serial('bytes that come one by one are given up, in blobs and in documents', async (t) => {
  const registry = await startHostile(t, ({ path }, response) => {
    response.writeHead(200, { 'content-type': ociTypes.manifest });
    const size = path.includes('fat') ? 2000 : 1;
    const timer = setInterval(() => response.write(Buffer.alloc(size, ' ')), 20);
    response.on('close', () => clearInterval(timer));
  });
  const impatient = client(t, registry.host, { timeouts: { idle: 200 }, retry: { retries: 0 } });
  await t.throwsAsync(fetchBlob(impatient, 'team/app', blob, collector()), {
    code: 'NETWORK',
    message: /next to nothing came in 0\.2 s|not a byte/,
  });
  await t.throwsAsync(getManifest(impatient, image(registry)), {
    message: /next to nothing came in 0\.2 s|not a byte/,
  });
  await t.throwsAsync(getManifest(impatient, image(registry, ':fat')), {
    message: /next to nothing came in|not a byte/,
  });
});

test.serial('S22: headers without end, and headers that trickle, are given up', async (t) => {
  const registry = await startHostile(t, ({ path }, response) => {
    const socket = response.socket;
    socket?.write('HTTP/1.1 200 OK\r\n');
    const slow = path.endsWith('slow');
    const timer = setInterval(
      () => socket?.write(slow ? 'x' : `X-Header: ${'y'.repeat(4000)}\r\n`),
      slow ? 20 : 1,
    );
    socket?.on('error', () => undefined).on('close', () => clearInterval(timer));
  });
  const impatient = client(t, registry.host, { timeouts: { idle: 300 }, retry: { retries: 0 } });
  await t.throwsAsync(getManifest(impatient, image(registry)), { code: 'REGISTRY', message: /headers/ });
  await t.throwsAsync(getManifest(impatient, image(registry, ':slow')), {
    code: 'NETWORK',
    message: /not a byte|next to nothing/,
  });
});

test.serial('S22: manifests that are bombs are refused at once', async (t) => {
  const bodies = {
    deep: `{"schemaVersion":2,"mediaType":"${ociTypes.manifest}","config":${'['.repeat(1_000_000)}`,
    nested: `{"schemaVersion":2,"mediaType":"${ociTypes.manifest}","config":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    wide: JSON.stringify({
      schemaVersion: 2,
      mediaType: ociTypes.manifest,
      config: { mediaType: ociTypes.config, digest, size: 2 },
      layers: Array.from({ length: 100_000 }, () => 0),
    }),
    zipped: 'x',
  };
  const registry = await startHostile(t, ({ path }, response) => {
    const name = path.split('/').at(-1) as keyof typeof bodies;
    const encoding = name === 'zipped' ? { 'content-encoding': 'gzip' } : {};
    response.writeHead(200, { 'content-type': ociTypes.manifest, ...encoding });
    response.end(name === 'zipped' ? gzipSync(Buffer.alloc(8 * 1024 * 1024)) : bodies[name]);
  });
  const begun = Date.now();
  for (const name of Object.keys(bodies)) {
    await t.throwsAsync(
      getManifest(client(t, registry.host), image(registry, `:${name}`)),
      { code: 'INVALID' },
      name,
    );
  }
  t.true(Date.now() - begun < 10_000);
});

test('a slow consumer is not taken for a silent server', async (t) => {
  const registry = await startHostile(t, serveBlob(content.length, 'whole'));
  const sink = {
    ...collector(),
    append: async (chunk: Uint8Array) => {
      await new Promise((done) => setTimeout(done, 600));
      sink.offset += chunk.length;
    },
  };
  await fetchBlob(
    client(t, registry.host, { timeouts: { idle: 300 }, retry: { retries: 0 } }),
    'team/app',
    blob,
    sink,
  );
  t.is(sink.offset, content.length);
});

test('S22: an endless manifest or error page is cut off', async (t) => {
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

test('S21, S22: a manifest must be what was asked for, what the header says and what led to it', async (t) => {
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

test('a blob as a stream goes on where an answer broke, and ends with the first byte too many', async (t) => {
  const read = async (host: string): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    for await (const chunk of readBlob(client(t, host), 'team/app', blob)) chunks.push(chunk);
    return Buffer.concat(chunks);
  };
  const broken = await startHostile(t, serveBlob(70_000, 'ranges'));
  t.true((await read(broken.host)).equals(content));
  t.is(broken.asked[1]?.headers.range, `bytes=${70_000}-${content.length - 1}`);
  let limit = 70_000;
  const whole = await startHostile(t, (...all) => {
    serveBlob(limit, 'whole')(...all);
    limit = content.length;
  });
  t.true((await read(whole.host)).equals(content), 'nothing comes twice');
  const endless = await startHostile(t, (_, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  const source = readBlob(client(t, endless.host), 'team/app', blob);
  const error = await t.throwsAsync(async () => {
    for await (const _ of verifiedBytes(source, blob, 'a hostile registry'));
  });
  t.regex(error?.message ?? '', /more than \d+ bytes/);
});
