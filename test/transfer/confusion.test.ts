/**
 * Documents and blobs that are not what somebody says they are, by a registry and in an archive: each is refused in words and
 * leaves nothing, or means what it means to the tools that images are made with.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import type { ErrorCode } from '../../lib/errors.js';
import type { Stores } from '../../lib/image/stores.js';
import { compress } from '../../lib/layer/compression.js';
import { loadImages } from '../../lib/transfer/load.js';
import { pullImage } from '../../lib/transfer/pull.js';
import { testWith } from '../helpers/declare.js';
import { makeTar } from '../helpers/image.js';
import { testStores } from '../image/store-fixture.js';
import { missingAgent } from '../layer/layer-fixture.js';
import { collect } from '../layer/tar-builder.js';
import { startHostile } from '../registry/hostile-server.js';
import { Documents, type Entry, types } from './hostile-documents.js';
import { baseTar, failsWith, streamOf } from './transfer-fixture.js';

const missing = [missingAgent()];
const otherTar = makeTar([{ name: 'other', content: 'x' }]);
const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

type Row = {
  readonly title: string;
  readonly make: (documents: Documents) => Entry | Promise<Entry>;
  readonly code: ErrorCode;
  readonly message: RegExp;
};

const base = (documents: Documents): Entry => documents.add(types.layer, baseTar);
const row = (title: string, make: Row['make'], code: ErrorCode, message: RegExp): Row => ({
  title,
  make,
  code,
  message,
});

/** An image whose only layer says that it is compressed so, and is these bytes. */
function lying(documents: Documents, mediaType: string, bytes: Buffer): Entry {
  return documents.manifest(documents.config([digestOf(baseTar)]), [documents.add(mediaType, bytes)]);
}

/** An image with one field of its layer's descriptor changed. */
const withLayer =
  (change: object): Row['make'] =>
  (documents) =>
    documents.manifest(documents.config([digestOf(baseTar)]), [{ ...base(documents), ...change }]);

/** A document announced as a manifest. */
const saying =
  (more: object): Row['make'] =>
  (documents) =>
    documents.image([base(documents)], more);

const rows: readonly Row[] = [
  row('S22: a document with manifests and layers', saying({ manifests: [] }), 'INVALID', /both an index/),
  row('S22: a manifest that says it is an index', saying({ mediaType: types.index }), 'INVALID', /mediaType/),
  row('S22: a manifest of schema 1', saying({ schemaVersion: 1 }), 'UNSUPPORTED', /schema 1/),
  row('S22: a manifest without a config', saying({ config: null }), 'INVALID', /config/),
  row('S22: layers that are no list', saying({ layers: {} }), 'INVALID', /layers/),
  row(
    'S22: a config that is a layer in truth',
    (documents) => {
      const layer = base(documents);
      return documents.manifest({ ...layer, mediaType: types.config }, [layer]);
    },
    'INVALID',
    /config .*not JSON/,
  ),
  row(
    'S22: a layer of a kind that nobody knows',
    withLayer({ mediaType: 'text/plain' }),
    'UNSUPPORTED',
    /is not a layer/,
  ),
  row(
    'S21: a digest in capitals',
    withLayer({ digest: digestOf(baseTar).toUpperCase() }),
    'INVALID',
    /digest/,
  ),
  row(
    'S21: a digest that is too short',
    withLayer({ digest: digestOf(baseTar).slice(0, -1) }),
    'INVALID',
    /digest/,
  ),
  row(
    'S21: a digest that climbs',
    withLayer({ digest: 'sha256:../../../../etc/passwd' }),
    'INVALID',
    /digest/,
  ),
  row(
    'S21: a digest of another algorithm',
    withLayer({ digest: `md5:${'a'.repeat(32)}` }),
    'INVALID',
    /digest/,
  ),
  row(
    'S21: sha512 with the digits of sha256',
    withLayer({ digest: `sha512:${'a'.repeat(64)}` }),
    'INVALID',
    /digest/,
  ),
  row('S21: a layer smaller than it says', withLayer({ size: baseTar.length + 1 }), 'INTEGRITY', /bytes/),
  row('S21: a layer larger than it says', withLayer({ size: baseTar.length - 1 }), 'INTEGRITY', /bytes/),
  row('S21: a size below nothing', withLayer({ size: -1 }), 'INVALID', /size/),
  row('S21: a size that no number holds', withLayer({ size: 1e300 }), 'INVALID', /size/),
  row(
    'S21: the bytes of another layer',
    (documents) => {
      const image = documents.image([base(documents)]);
      documents.blobs.set(digestOf(baseTar), { mediaType: types.layer, bytes: Buffer.alloc(baseTar.length) });
      return image;
    },
    'INTEGRITY',
    /digest|blob/,
  ),
  row(
    'S21: more diffIDs than layers',
    (documents) =>
      documents.manifest(documents.config([digestOf(baseTar), digestOf(otherTar)]), [base(documents)]),
    'INVALID',
    /2 diff_ids, but the manifest has 1 layers/,
  ),
  row(
    'S21: diffIDs in another order',
    (documents) =>
      documents.manifest(documents.config([digestOf(otherTar), digestOf(baseTar)]), [
        base(documents),
        documents.add(types.layer, otherTar),
      ]),
    'INTEGRITY',
    /diffID/,
  ),
  row(
    'S22: a layer that is no gzip',
    (documents) => lying(documents, `${types.layer}+gzip`, baseTar),
    'INTEGRITY',
    /header check|decompress/,
  ),
  row(
    'S22: zstd where gzip is announced',
    async (documents) =>
      lying(documents, `${types.layer}+gzip`, await collect(compress(streamOf(baseTar), { kind: 'zstd' }))),
    'INTEGRITY',
    /header check|decompress/,
  ),
  row(
    'S22: gzip where zstd is announced',
    (documents) => lying(documents, `${types.layer}+zstd`, gzipSync(baseTar)),
    'INTEGRITY',
    /zstd/,
  ),
  row(
    'S22: gzip where none is announced',
    (documents) => lying(documents, types.layer, gzipSync(baseTar)),
    'INVALID',
    /tar/,
  ),
  row(
    'S23: a layer with bytes behind its end',
    (documents) =>
      lying(documents, `${types.layer}+gzip`, Buffer.concat([gzipSync(baseTar), Buffer.alloc(20)])),
    'INTEGRITY',
    /follows its end/,
  ),
  row(
    'S23: a layer that expands a thousandfold',
    (documents) =>
      lying(
        documents,
        `${types.layer}+gzip`,
        gzipSync(makeTar([{ name: 'z', content: Buffer.alloc(100 * 1024 * 1024) }]), { level: 1 }),
      ),
    'INVALID',
    /more than 200 times/,
  ),
  row(
    'S22: an index that names itself by another digest',
    (documents) => {
      const inner = documents.add(types.index, { schemaVersion: 2, mediaType: types.index, manifests: [] });
      return documents.add(types.index, {
        schemaVersion: 2,
        mediaType: types.index,
        manifests: [{ ...inner, mediaType: types.manifest }],
      });
    },
    'INVALID',
    /announced as|manifest|platform/,
  ),
];

function expectNothing(t: ExecutionContext<unknown>, { snapshots, images }: Stores, title: string): void {
  t.deepEqual([snapshots.ids(), images.entries()], [[], []], title);
}

for (const { title, make, code, message } of rows) {
  testWith(missing, `${title} is refused by pull and load`, async (t) => {
    const documents = new Documents();
    const top = await make(documents);
    const { host } = await documents.serve(t, top);
    const stores = testStores(t);
    await failsWith(t, pullImage(stores, `${host}/a`, { retry: 0 }), code, message);
    expectNothing(t, stores, 'pull');
    await t.throwsAsync(loadImages(stores, streamOf(documents.archive(top))), { code, message });
    expectNothing(t, stores, 'load');
  });
}

testWith(missing, 'S22: what the header, the body and the digest header say must agree', async (t) => {
  const documents = new Documents();
  const top = documents.image([base(documents)]);
  const bytes = documents.blobs.get(top.digest)?.bytes ?? Buffer.alloc(0);
  const answers: readonly (readonly [Record<string, string>, RegExp])[] = [
    [{ 'content-type': types.index }, /announced as/],
    [{ 'content-type': 'application/vnd.docker.distribution.manifest.v2+json' }, /announced as/],
    [
      { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' },
      /schema 1|announced as/,
    ],
    [{ 'content-type': types.layer }, /announced as/],
    [{ 'content-type': types.manifest, 'docker-content-digest': `sha256:${'0'.repeat(64)}` }, /digest/],
    [{ 'content-type': types.manifest, 'docker-content-digest': `sha512:${'0'.repeat(128)}` }, /digest/],
  ];
  for (const [headers, message] of answers) {
    const { host } = await startHostile(t, ({ path }, response) => {
      if (path.includes('/manifests/')) response.writeHead(200, headers).end(bytes);
      else response.writeHead(path === '/v2/' ? 200 : 404).end();
    });
    const stores = testStores(t);
    await t.throwsAsync(pullImage(stores, `${host}/a`, { retry: 0 }), { message }, JSON.stringify(headers));
    expectNothing(t, stores, JSON.stringify(headers));
  }
});

testWith(
  missing,
  'S22: an index of 100,000 manifests is over the limit, one of 10,000 is read at once',
  async (t) => {
    for (const [count, message] of [
      [100_000, /more than 4194304|bytes/],
      [10_000, /nothing for/],
    ] as const) {
      const documents = new Documents();
      const platform = { os: 'plan9', architecture: 'mips' };
      const one = { mediaType: types.manifest, digest: `sha256:${'1'.repeat(64)}`, size: 5, platform };
      const manifests = Array.from({ length: count }, () => one);
      const top = documents.add(types.index, { schemaVersion: 2, mediaType: types.index, manifests });
      const { host, asked } = await documents.serve(t, top);
      const begun = Date.now();
      await t.throwsAsync(pullImage(testStores(t), `${host}/a`, { retry: 0 }), { message });
      t.true(asked.length < 6 && Date.now() - begun < 20_000);
    }
  },
);

testWith(missing, 'S29: annotations of an archive name nothing outside of the store', async (t) => {
  for (const name of [
    '../../etc',
    '/etc/passwd',
    'a\n:b',
    '\u001b[2J',
    'a b',

    `x:${'t'.repeat(200)}`,
  ]) {
    const documents = new Documents();
    const top = {
      ...documents.image([base(documents)]),
      annotations: { 'org.opencontainers.image.ref.name': name },
    };
    const stores = testStores(t);
    const error = await t.throwsAsync(
      loadImages(stores, streamOf(documents.archive(top))),
      { code: 'INVALID' },
      name,
    );
    t.false(
      ['\u001b', '\n'].some((one) => error?.message.includes(one)),
      JSON.stringify(error?.message),
    );
    t.deepEqual(stores.images.entries(), [], name);
  }
});
