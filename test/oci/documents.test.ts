import { createHash } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { chainIds, parseDiffId } from '../../lib/oci/chain-id.js';
import { parseDescriptor } from '../../lib/oci/descriptor.js';
import { digestAlgorithm, digestHex, isDigest, parseDigest } from '../../lib/oci/digest.js';
import { parseImageConfig, serializeImageConfig } from '../../lib/oci/image-config.js';
import { parseLayoutIndex, parseLayoutMarker, serializeLayoutIndex } from '../../lib/oci/layout.js';
import { manifestLimit, parseManifest, serializeManifest } from '../../lib/oci/manifest.js';
import { dockerTypes, isForeignLayer, layerCompression, ociTypes } from '../../lib/oci/media-types.js';

const hex = 'a'.repeat(64);
const digest = parseDigest(`sha256:${hex}`, 'test');
const config = { mediaType: ociTypes.config, digest, size: 2 };
const layer = { mediaType: ociTypes.layerGzip, digest, size: 3 };
const plain = { schemaVersion: 2, mediaType: ociTypes.manifest, config, layers: [layer] };
const index = {
  schemaVersion: 2,
  mediaType: ociTypes.index,
  manifests: [{ ...config, mediaType: ociTypes.manifest }],
};

test('S21: a digest has a known algorithm and exactly its number of lower-case digits', (t) => {
  t.is(parseDigest(`sha512:${'b'.repeat(128)}`, 'x').length, 135);
  t.is(digestHex(digest), hex);
  t.is(digestAlgorithm(digest), 'sha256');
  const bad = [
    'sha256:../../etc',
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(65)}`,
    `sha256:${'A'.repeat(64)}`,
    `sha512:${hex}`,
    `sha256:${hex}\n`,
    `md5:${'a'.repeat(32)}`,
    hex,
    '',
    null,
    7,
  ];
  for (const value of bad) {
    t.false(isDigest(value), String(value));
    t.throws(() => parseDigest(value, 'layer'), { code: 'INVALID', message: /^parse layer: / });
  }
});

test('a descriptor keeps what it has and refuses what it cannot mean', (t) => {
  const full = {
    mediaType: ociTypes.layer,
    digest,
    size: 5,
    urls: ['https://example.org'],
    annotations: { b: '1', __proto__x: '2' },
    data: 'aGVsbG8=',
    platform: { architecture: 'arm', os: 'linux', variant: 'v7' },
    artifactType: 'application/x',
  };
  t.deepEqual(parseDescriptor(full, 'd'), full);
  for (const [field, value] of [
    ['size', -1],
    ['size', 1.5],
    ['size', '5'],
    ['size', 2 ** 53],
    ['digest', 'sha256:x'],
    ['mediaType', ''],
    ['urls', 'x'],
    ['annotations', { a: 1 }],
  ] as const) {
    t.throws(() => parseDescriptor({ ...full, [field]: value }, 'd'), {
      code: 'INVALID',
      message: new RegExp(`^parse d\\.${field}`),
    });
  }
});

test('an annotation called __proto__ is an annotation', (t) => {
  const parsed = parseDescriptor(
    JSON.parse(`{"mediaType":"x/y","digest":"${digest}","size":1,"annotations":{"__proto__":"evil"}}`),
    'd',
  );
  t.deepEqual(Object.keys(parsed.annotations ?? {}), ['__proto__']);
  t.is(Object.getPrototypeOf(parsed.annotations), Object.prototype);
});

test('manifests and indexes are told apart and written back the same', (t) => {
  const manifest = parseManifest(JSON.stringify(plain), 'm', ociTypes.manifest);
  t.is(manifest.kind, 'manifest');
  t.is(serializeManifest(manifest), JSON.stringify(plain));
  const list = parseManifest(Buffer.from(JSON.stringify(index)), 'm', `${ociTypes.index}; charset=utf-8`);
  t.is(list.kind, 'index');
  t.is(serializeManifest(list), JSON.stringify(index));
  const { mediaType: _, ...untyped } = plain;
  t.is(parseManifest(JSON.stringify(untyped), 'm').mediaType, ociTypes.manifest);
  t.is(parseManifest(JSON.stringify(untyped), 'm', 'application/json').mediaType, ociTypes.manifest);
  const docker = { ...plain, mediaType: dockerTypes.manifest };
  t.is(parseManifest(JSON.stringify(docker), 'm', dockerTypes.manifest).mediaType, dockerTypes.manifest);
});

const refusesManifest = test.macro(
  (t, document: unknown, expected: string | undefined, message: RegExp, code?: ErrorCode) => {
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    const wanted = { instanceOf: CoracleError, code: code ?? 'INVALID', message };
    t.throws(() => parseManifest(text, 'm', expected), wanted);
  },
);

test(
  'S22: an index that is also a manifest is refused',
  refusesManifest,
  { ...index, layers: [] },
  undefined,
  /both an index/,
);
test(
  'S22: an index with a config is refused',
  refusesManifest,
  { ...index, config },
  undefined,
  /both an index/,
);
test(
  'S22: a body type that is not the announced one is refused',
  refusesManifest,
  plain,
  dockerTypes.manifest,
  /announced as/,
);
test(
  'S22: a manifest announced as an index is refused',
  refusesManifest,
  plain,
  ociTypes.index,
  /announced as/,
);
test(
  'S22: a manifest that calls itself an index is refused',
  refusesManifest,
  { ...plain, mediaType: ociTypes.index },
  undefined,
  /mediaType/,
);
test(
  'S22: an unknown media type is refused',
  refusesManifest,
  { ...plain, mediaType: 'text/html' },
  undefined,
  /mediaType/,
);
test(
  'S22: a wrong schema version is refused',
  refusesManifest,
  { ...plain, schemaVersion: 3 },
  undefined,
  /schemaVersion 3/,
);
test(
  'S22: Docker schema 1 is refused by name',
  refusesManifest,
  { schemaVersion: 1, fsLayers: [] },
  undefined,
  /Docker schema 1/,
  'UNSUPPORTED',
);
test(
  'S22: Docker schema 1 is refused by its announced type',
  refusesManifest,
  { ...plain, mediaType: undefined },
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  /Docker schema 1/,
  'UNSUPPORTED',
);
test(
  'S22: a document over 4 MiB is refused',
  refusesManifest,
  `"${'x'.repeat(manifestLimit)}"`,
  undefined,
  /more than the/,
);
test('text that is no JSON is refused', refusesManifest, '{', undefined, /not JSON/);
test(
  'a bad layer is named by its place',
  refusesManifest,
  { ...plain, layers: [layer, { ...layer, digest: 'x' }] },
  undefined,
  /m\.layers\[1\]\.digest/,
);

test('any JSON is read or refused with INVALID or UNSUPPORTED, never anything else', (t) => {
  const fields = fc.record(
    {
      schemaVersion: fc.constantFrom(1, 2, '2', null),
      mediaType: fc.constantFrom(...Object.values(ociTypes), ...Object.values(dockerTypes), 7, ''),
      config: fc.oneof(fc.constant(config), fc.jsonValue()),
      layers: fc.oneof(fc.constant([layer]), fc.jsonValue()),
      manifests: fc.oneof(fc.constant(index.manifests), fc.jsonValue()),
      rootfs: fc.oneof(fc.constant({ type: 'layers', diff_ids: [digest] }), fc.jsonValue()),
      annotations: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.oneof(fields, fc.jsonValue()), (value) => {
      const text = JSON.stringify(value);
      for (const parse of [parseManifest, parseImageConfig]) {
        try {
          parse(text, 'x');
        } catch (error) {
          if (!(error instanceof CoracleError)) throw error;
        }
      }
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('layer media types tell their compression, others are refused by name', (t) => {
  t.is(layerCompression(ociTypes.layer), 'none');
  t.is(layerCompression(ociTypes.layerGzip), 'gzip');
  t.is(layerCompression(dockerTypes.layerGzip), 'gzip');
  t.is(layerCompression(ociTypes.layerZstd), 'zstd');
  t.true(isForeignLayer(dockerTypes.foreignLayerGzip));
  t.throws(() => layerCompression('toString'), { code: 'UNSUPPORTED' });
  t.throws(() => layerCompression(`${ociTypes.layer}+gzip+encrypted`), {
    code: 'UNSUPPORTED',
    message: /encrypted/,
  });
});

const dockerConfig = `{"architecture":"amd64","config":{"Hostname":"","User":"www","ExposedPorts":{"80/tcp":{},"443/tcp":{}},"Env":["PATH=/bin"],"Cmd":["sh"],"Volumes":null,"Entrypoint":null,"OnBuild":null,"Labels":{"b":"2","a":"1"},"Healthcheck":{"Test":["CMD","true"],"Interval":30000000000}},"container":"abc","created":"2024-01-01T00:00:00Z","docker_version":"20.10","history":[{"created":"2024-01-01T00:00:00Z","created_by":"/bin/sh"},{"created_by":"CMD","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":["${digest}"]}}`;

test('a config of Docker is read with its nulls as absent, and what is unknown is written back', (t) => {
  const image = parseImageConfig(dockerConfig, 'c');
  t.deepEqual(image.config?.Cmd, ['sh']);
  t.false('Entrypoint' in (image.config ?? {}));
  t.deepEqual(image.extra, { container: 'abc', docker_version: '20.10' });
  t.deepEqual(image.config?.extra, { Hostname: '' });
  const text = serializeImageConfig(image);
  t.is(
    text,
    `{"architecture":"amd64","config":{"User":"www","ExposedPorts":{"443/tcp":{},"80/tcp":{}},"Env":["PATH=/bin"],"Cmd":["sh"],"Labels":{"a":"1","b":"2"},"Healthcheck":{"Test":["CMD","true"],"Interval":30000000000},"Hostname":""},"container":"abc","created":"2024-01-01T00:00:00Z","docker_version":"20.10","history":[{"created":"2024-01-01T00:00:00Z","created_by":"/bin/sh"},{"created_by":"CMD","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":["${digest}"]}}`,
  );
  t.is(serializeImageConfig(parseImageConfig(text, 'c')), text);
});

test('a config field called extra, or of the wrong type, is not confused', (t) => {
  const rootfs = { type: 'layers', diff_ids: [] };
  const text = JSON.stringify({
    architecture: 'amd64',
    config: { extra: 1 },
    extra: { a: 1 },
    os: 'linux',
    rootfs,
  });
  t.deepEqual(JSON.parse(serializeImageConfig(parseImageConfig(text, 'c'))), JSON.parse(text));
  for (const [value, message] of [
    [{ rootfs: { type: 'squashfs' } }, /rootfs\.type/],
    [{ rootfs, config: { Env: ['a', 1] } }, /config\.Env\[1\]/],
    [{ rootfs, history: [{ empty_layer: 'yes' }] }, /history\[0\]\.empty_layer/],
    [{ rootfs: { type: 'layers', diff_ids: ['sha256:../x'] } }, /diff_ids\[0\]/],
    [{}, /rootfs: expected an object, got nothing/],
  ] as const) {
    t.throws(() => parseImageConfig(JSON.stringify(value), 'c'), { code: 'INVALID', message });
  }
});

test('chainIDs are those of the specification', (t) => {
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const [a, b, c] = ['a', 'b', 'c'].map((name) => parseDiffId(`sha256:${sha256(name)}`, 'd'));
  const chain = chainIds(
    [a, b, c].filter((id) => id !== undefined),
    sha256,
  );
  t.deepEqual(chain.map(String), [
    `${a}`,
    `sha256:${sha256(`${a} ${b}`)}`,
    `sha256:${sha256(`sha256:${sha256(`${a} ${b}`)} ${c}`)}`,
  ]);
  t.deepEqual(chainIds([], sha256), []);
});

test('a layout of another version, or an index.json that is none, is refused', (t) => {
  t.notThrows(() => parseLayoutMarker('{"imageLayoutVersion":"1.0.0"}', 'l'));
  t.throws(() => parseLayoutMarker('{"imageLayoutVersion":"2.0.0"}', 'l'), { code: 'INVALID' });
  const text = serializeLayoutIndex([{ ...layer, annotations: { z: '1', a: '2' } }]);
  t.true(text.indexOf('"a"') < text.indexOf('"z"'));
  t.is(parseLayoutIndex(text, 'l').manifests.length, 1);
  t.throws(() => parseLayoutIndex(JSON.stringify(plain), 'l'), { code: 'INVALID' });
});
