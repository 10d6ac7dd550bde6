import { generateKeyPairSync } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { parseCacheConfig } from '../../lib/build/cache-manifest.js';
import { parseMountsConfig } from '../../lib/build/mounts-config.js';
import {
  parseApkInstalled,
  parseDpkgStatus,
  parseNpmLock,
  parseNpmPackage,
} from '../../lib/build/package-database.js';
import { readEstargz } from '../../lib/chunked/estargz.js';
import { filesOf, parseToc } from '../../lib/chunked/layout.js';
import { readTarSplit } from '../../lib/chunked/tar-split.js';
import { parseBundleConfig } from '../../lib/oci/bundle-config.js';
import { parseImageConfig, serializeImageConfig } from '../../lib/oci/image-config.js';
import { parseLayoutIndex, parseLayoutMarker, serializeLayoutIndex } from '../../lib/oci/layout.js';
import { parseManifest, serializeManifest } from '../../lib/oci/manifest.js';
import { parseChallenges } from '../../lib/registry/challenge.js';
import { parseWarnings } from '../../lib/registry/errors.js';
import { parseCatalog, parseSearch } from '../../lib/registry/search.js';
import { parseDockerManifest } from '../../lib/transfer/docker-archive.js';
import { parseRepositories } from '../../lib/transfer/docker-legacy.js';
import { readPublicKey } from '../../lib/trust/keys.js';
import { sha256 } from '../image/store-fixture.js';
import { tarOf } from '../layer/tar-builder.js';

import { config, type Document, digest, id, json, platform, time } from './document.js';

const descriptor = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest,
  size: 10,
  urls: ['https://a/'],
  annotations: { a: 'b' },
};
const indexed = {
  ...descriptor,
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  platform,
  annotations: { 'org.opencontainers.image.ref.name': 'a:b' },
};
const manifestType = 'application/vnd.oci.image.manifest.v1+json';
const manifest = {
  schemaVersion: 2,
  mediaType: manifestType,
  config: { ...descriptor, data: 'e30=' },
  layers: [descriptor, descriptor],
  subject: descriptor,
  annotations: { x: 'y' },
};
const index = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [indexed, indexed],
};
const entry = {
  type: 'reg',
  name: 'a/b',
  size: 5,
  offset: 10,
  endOffset: 20,
  digest,
  mode: 420,
  uid: 1,
  gid: 2,
  modtime: time,
  xattrs: { 'user.x': 'eA==' },
  userName: 'u',
};
const toc = {
  version: 1,
  entries: [
    { type: 'dir', name: 'a/', mode: 493 },
    entry,
    { type: 'chunk', name: 'a/b', offset: 15, chunkOffset: 2 },
    { ...entry, name: 'c', offset: 30, endOffset: 40 },
    { type: 'symlink', name: 'd', linkName: 'c' },
  ],
};
const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();

export const documentsOutside: readonly Document[] = [
  json('manifest', manifest, (text) => serializeManifest(parseManifest(text, 'manifest', manifestType))),
  json('index', index, (text) => serializeManifest(parseManifest(text, 'index'))),
  json('index.json', index, (text) => serializeLayoutIndex(parseLayoutIndex(text, 'index.json').manifests)),
  json('oci-layout', { imageLayoutVersion: '1.0.0' }, (text) => parseLayoutMarker(text, 'oci-layout')),
  json('image config', config, (text) => serializeImageConfig(parseImageConfig(text, 'config'))),
  json(
    'manifest.json',
    [{ Config: 'a.json', RepoTags: ['a:b'], Layers: ['a/layer.tar'] }],
    parseDockerManifest,
  ),
  json('repositories', { a: { latest: id }, 'b/c': { x: id } }, parseRepositories),
  json('zstd:chunked table', toc, (text) => filesOf(parseToc(text), 1000)),
  json('eStargz table', toc, readStargz),
  {
    name: 'tar-split',
    right: JSON.stringify({ type: 1, name: 'a', size: 5, payload: 'AAAA', position: 1 }),
    read: (text) => readTarSplit(lines(`{"type":2,"payload":"YWJj","position":0}\n${text}\n`), [{ size: 5 }]),
  },
  json(
    'search',
    { num_results: 1, results: [{ name: 'a/b', description: 'd', star_count: 1, is_official: true }] },
    (text) => parseSearch(text, 'search'),
  ),
  json('catalog', { repositories: ['a', 'b/c'] }, (text) => parseCatalog(text, 'catalog')),
  json(
    'build cache',
    {
      version: 1,
      diffIds: [digest],
      records: [{ claims: [id], result: id, created: time, madeLayer: true, layers: [0] }],
    },
    (text) => parseCacheConfig(text, 'cache', 1),
  ),
  json(
    'cache mounts',
    { version: 1, mounts: [{ namespace: 'n', id: 'i', from: 'f', owner: { uid: 0, gid: 0, mode: 493 } }] },
    (text) => parseMountsConfig(text, 'mounts', 1),
  ),
  json('package.json', { name: '@a/b', version: '1.0.0', license: 'MIT' }, (text) =>
    parseNpmPackage(text, 'p'),
  ),
  json(
    'package-lock',
    { packages: { 'node_modules/a': { version: '1.0.0' }, 'node_modules/@b/c': { version: '2' } } },
    (text) => parseNpmLock(text, 'p'),
  ),
  {
    name: 'dpkg status',
    right:
      'Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: A <a@b>\n\nPackage: b\nVersion: 2\n',
    isText: true,
    read: (text) => parseDpkgStatus(text, 'status', { id: 'debian', version: '12' }),
  },
  {
    name: 'apk database',
    right: 'P:a\nV:1-r0\nA:x86_64\nL:MIT\nm:A <a@b>\n\nP:b\nV:2\n',
    isText: true,
    read: (text) => parseApkInstalled(text, 'installed', undefined),
  },
  {
    name: 'challenges',
    right: 'Bearer realm="https://a/token",service="b",scope="repository:c:pull", Basic realm="d"',
    isText: true,
    read: parseChallenges,
  },
  {
    name: 'warnings',
    right: '299 - "one \\"two\\"", 299 - "three"',
    isText: true,
    read: parseWarnings,
  },
  {
    name: 'public key',
    right: publicKey,
    isText: true,
    read: (text) => readPublicKey({ kind: 'data', pem: text }),
  },
  json(
    'bundle config',
    {
      ociVersion: '1.0.2',
      root: { path: 'rootfs' },
      process: { cwd: '/', args: ['a'], env: ['A=b'], user: { uid: 0, gid: 0 } },
      mounts: [{ destination: '/x', type: 'tmpfs', source: 'tmpfs', options: ['ro'] }],
      linux: {
        namespaces: [{ type: 'pid' }, { type: 'mount' }],
        uidMappings: [{ containerID: 0, hostID: 0, size: 1 }],
        resources: { memory: { limit: 1 } },
      },
      hooks: {},
    },
    (text) => parseBundleConfig(text, 'config.json'),
  ),
];

async function* lines(text: string): AsyncGenerator<Buffer, void> {
  yield Buffer.from(text);
}

/** As a layer whose last members are this table and the footer that says where it is. */
function readStargz(text: string): Promise<unknown> {
  const members = gzipSync(tarOf({ path: 'stargz.index.json', content: text }), { level: 1 });
  const at = 1000;
  const footer = Buffer.alloc(51);
  footer.write(`${at.toString(16).padStart(16, '0')}STARGZ`, 16, 'latin1');
  const blob = Buffer.concat([Buffer.alloc(at), members, footer]);
  return readEstargz(sha256(text), blob.length, async (start, length) =>
    blob.subarray(start, start + length),
  );
}
