import { createHash } from 'node:crypto';
import test from 'ava';
import { makeDigest } from '../../lib/oci/digest.js';
import { serializeManifest } from '../../lib/oci/manifest.js';
import { ociTypes } from '../../lib/oci/media-types.js';
import { parseReference } from '../../lib/oci/reference.js';
import { parseWarnings } from '../../lib/registry/errors.js';
import { listTags } from '../../lib/registry/manifests.js';
import { listReferrers, publishManifest } from '../../lib/registry/referrers.js';
import { uploadBlob } from '../../lib/registry/uploads.js';
import { testWith } from '../helpers/declare.js';
import { missingRegistry, startRegistry } from '../helpers/registry.js';
import { client, manifestDigest } from './hostile-fixtures.js';
import { sendJson, startHostile } from './hostile-server.js';

const config = Buffer.from('{}');
const digestOf = (bytes: Buffer) => makeDigest('sha256', createHash('sha256').update(bytes).digest('hex'));
const descriptor = { mediaType: 'application/test', digest: digestOf(config), size: 2 };
const about = (artifactType: string, subject = manifestDigest) =>
  Buffer.from(
    serializeManifest({
      kind: 'manifest',
      mediaType: ociTypes.manifest,
      artifactType,
      config: descriptor,
      layers: [],
      subject: { mediaType: ociTypes.manifest, digest: subject, size: 10 },
      annotations: { of: artifactType },
    }),
  );

testWith(
  [missingRegistry()],
  'where a registry does not know referrers they are kept under a tag',
  async (t) => {
    const { host } = await startRegistry(t);
    const registry = client(t, host);
    await uploadBlob(registry, 'team/app', descriptor, async function* () {
      yield config;
    });
    const documents = [about('a/x'), about('b/y')];
    for (const bytes of [...documents, ...documents]) {
      const reference = parseReference(`${host}/team/app@${digestOf(bytes)}`);
      await publishManifest(registry, reference, { bytes, mediaType: ociTypes.manifest });
    }
    t.deepEqual(await listTags(registry, 'team/app'), [manifestDigest.replace(':', '-')]);
    const found = await listReferrers(registry, 'team/app', manifestDigest);
    t.deepEqual(
      found.map(({ digest, artifactType, annotations }) => [digest, artifactType, annotations?.of]),
      documents.map((bytes, at) => [digestOf(bytes), ['a/x', 'b/y'][at], ['a/x', 'b/y'][at]]),
    );
    t.is((await listReferrers(registry, 'team/app', manifestDigest, 'b/y')).length, 1);
    t.deepEqual(await listReferrers(registry, 'team/app', digestOf(config)), []);
  },
);

test('a registry that knows referrers is asked page by page, and its filter is not relied on', async (t) => {
  const entry = (artifactType: string) => ({ ...descriptor, mediaType: ociTypes.manifest, artifactType });
  const index = (...types: readonly string[]) => ({
    schemaVersion: 2,
    mediaType: ociTypes.index,
    manifests: types.map(entry),
  });
  const server = await startHostile(t, ({ path }, response) => {
    const next = path.includes('page=2') ? {} : { link: `<${path}&page=2>; rel="next"` };
    sendJson(response, 200, path.includes('page=2') ? index('a/x') : index('b/y', 'a/x'), {
      'content-type': ociTypes.index,
      ...next,
    });
  });
  t.is((await listReferrers(client(t, server.host), 'team/app', manifestDigest, 'a/x')).length, 2);
  t.regex(server.asked[0]?.path ?? '', /referrers\/sha256:[0-9a-f]+\?artifactType=a%2Fx$/);
});

test('S22: an answer about referrers that is no index, or has no end, is refused', async (t) => {
  const wrong = await startHostile(t, (_asked, response) => {
    response.writeHead(200, { 'content-type': ociTypes.manifest }).end(about('a/x'));
  });
  await t.throwsAsync(listReferrers(client(t, wrong.host), 'team/app', manifestDigest), { code: 'INVALID' });
  const endless = await startHostile(t, ({ path }, response) => {
    const link = `<${path}?more>; rel="next"`;
    sendJson(
      response,
      200,
      { schemaVersion: 2, mediaType: ociTypes.index, manifests: [] },
      { 'content-type': ociTypes.index, link },
    );
  });
  await t.throwsAsync(listReferrers(client(t, endless.host), 'team/app', manifestDigest), {
    message: /more than 100 pages/,
  });
});

test('a manifest whose subject the registry knows is stored and no more', async (t) => {
  const server = await startHostile(t, (_asked, response) => {
    response.writeHead(201, { 'oci-subject': manifestDigest }).end();
  });
  const reference = parseReference(`${server.host}/team/app:1`);
  await publishManifest(client(t, server.host), reference, {
    bytes: about('a/x'),
    mediaType: ociTypes.manifest,
  });
  t.deepEqual(
    server.asked.map(({ method }) => method),
    ['PUT'],
  );
});

test('S40: warnings of a registry are shown once each, without control characters, and only its own', async (t) => {
  const told: string[] = [];
  const other = await startHostile(t, (_asked, response) => {
    response.writeHead(200, { warning: '299 - "from elsewhere"' }).end('{"tags":[]}');
  });
  const server = await startHostile(t, ({ path }, response) => {
    if (path.includes('moved')) {
      response.writeHead(307, { location: `http://${other.host}/x`, warning: '299 - "not shown"' }).end();
      return;
    }
    const warning = '299 - "going \\"away\\" soon", 299 other "no", 299 - "second"';
    response.writeHead(200, { warning, 'content-type': 'application/json' }).end('{"tags":[]}');
  });
  const registry = client(t, server.host, { onWarning: (text) => told.push(text) });
  await listTags(registry, 'a/b');
  await listTags(registry, 'a/b');
  await listTags(registry, 'moved/b');
  t.deepEqual(told, [`${server.host} warns: going "away" soon`, `${server.host} warns: second`]);
  t.deepEqual(parseWarnings('299 - "a\u001b[31mb"'), ['a [31mb']);
  t.deepEqual(parseWarnings('199 - "a"'), []);
});
