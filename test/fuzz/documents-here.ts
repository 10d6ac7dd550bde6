import { BuildCache } from '../../lib/build/cache.js';
import type { CacheKey } from '../../lib/build/cache-key.js';
import { CacheMounts } from '../../lib/build/cache-mounts.js';
import { StatCache } from '../../lib/build/stat-cache.js';
import { readAttachments } from '../../lib/container/attachments.js';
import { findCdiEdits } from '../../lib/container/cdi.js';
import { readHealth } from '../../lib/container/healthcheck.js';
import { parseLogLine } from '../../lib/container/log-line.js';
import { readContainerRecord, readExit, readLive } from '../../lib/container/records.js';
import { SecretStore } from '../../lib/container/secret-store.js';
import { readConfiguration } from '../../lib/host/config.js';
import { readJson } from '../../lib/host/files.js';
import { tarWriterVersion } from '../../lib/layer/tar-writer.js';
import { fileLocks } from '../../lib/native/lock.js';
import { parseNetworkRecord } from '../../lib/network/network-record.js';
import { parseDiffId } from '../../lib/oci/chain-id.js';
import { parseDigest } from '../../lib/oci/digest.js';
import { parseJson } from '../../lib/oci/guards.js';
import { readAuthFile } from '../../lib/registry/auth-file.js';
import { mergeRegistries, parseToml } from '../../lib/registry/registries.js';
import { parseRegistriesFile } from '../../lib/registry/registries-file.js';
import { parseProfile } from '../../lib/sandbox/seccomp-profile.js';
import { parseSnapshotRecord } from '../../lib/snapshot/record.js';
import { rememberedLayer } from '../../lib/transfer/compressed-layers.js';
import { keptSignatures } from '../../lib/transfer/kept-signatures.js';
import { originOf } from '../../lib/transfer/partial-origin.js';
import { parsePolicy } from '../../lib/trust/policy.js';
import { parseVolumeRecord } from '../../lib/volume/volume-record.js';
import { parseWorkingRecord, serializeWorkingRecord } from '../../lib/working/record.js';

import { config, type Document, digest, id, inFile, inStore, json, time } from './document.js';

const snapshot = 'a'.repeat(26);
const registries = `unqualified-search-registries = ["a.example", "b.example:5000"]
short-name-mode = "permissive"
credential-helpers = ["x"]
[aliases]
"a/b" = "quay.io/a/b"
[[registry]]
prefix = "*.example.com/x"
location = "mirror.example.com/y"
insecure = true
[[registry.mirror]]
location = "m.example.com"
pull-from-mirror = "tag-only"
`;

export const documentsOfUser: readonly Document[] = [
  inFile(
    'auth.json',
    'auth.json',
    {
      auths: { 'a.example/b': { auth: 'YTpi' }, 'https://c.example/v1/': { identitytoken: 't' } },
      credHelpers: { d: 'x' },
      credsStore: 'y',
    },
    readAuthFile,
  ),
  inFile('config.json', 'config.json', { network: 'none' }, readConfiguration),
  inFile(
    'CDI description',
    'c.json',
    {
      cdiVersion: '0.6.0',
      kind: 'a.b/c',
      devices: [
        {
          name: 'd',
          containerEdits: {
            deviceNodes: [{ path: '/dev/null' }],
            env: ['A=b'],
            mounts: [{ hostPath: '/a', containerPath: '/b', options: ['ro'] }],
            hooks: [{ hookName: 'x', path: '/y' }],
            additionalGids: [5],
          },
        },
      ],
      containerEdits: {},
    },
    (_path, directory) => findCdiEdits(['a.b/c=d'], [directory]),
  ),
  json(
    'policy.json',
    {
      default: [{ type: 'reject' }],
      transports: {
        docker: {
          'a.example/b': [
            {
              type: 'sigstoreSigned',
              keyPath: '/k',
              signedIdentity: { type: 'remapIdentity', prefix: 'a', signedPrefix: 'b' },
            },
          ],
        },
      },
    },
    (text) => parsePolicy(parseJson(text, 'document'), 'policy.json'),
  ),
  json(
    'seccomp profile',
    {
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 1,
      archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] }],
      syscalls: [
        {
          names: ['read'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 0, value: 1, op: 'SCMP_CMP_EQ' }],
          includes: { caps: ['CAP_CHOWN'], minKernel: '4.8' },
          excludes: {},
        },
      ],
    },
    (text) => parseProfile(text, 'profile', { arch: 'x86_64', capabilities: [], kernel: '6.1.0' }),
  ),
  {
    name: 'registries.conf',
    right: registries,
    isText: true,
    read: async (text) =>
      mergeRegistries([parseRegistriesFile(await parseToml(text, 'registries.conf'), 'registries.conf')]),
  },
];

export const documentsOfStore: readonly Document[] = [
  json(
    'snapshot record',
    { version: 1, id: snapshot, lowers: [snapshot], chainId: digest, size: 5, created: time },
    (text) => parseSnapshotRecord(parseJson(text, 'document'), 'record'),
  ),
  json(
    'network record',
    {
      version: 1,
      id,
      name: 'n',
      created: time,
      subnets: [
        { subnet: '10.1.0.0/24', gateway: '10.1.0.1', range: { first: '10.1.0.2', last: '10.1.0.9' } },
      ],
      internal: false,
      dns: true,
      resolvers: ['10.0.0.1'],
      mtu: 1500,
      routes: [{ destination: '10.9.0.0/16', gateway: '10.1.0.7' }],
      labels: { a: 'b' },
      options: {},
    },
    (text) => parseNetworkRecord(parseJson(text, 'document'), 'network'),
  ),
  json(
    'volume record',
    {
      version: 1,
      name: 'v',
      created: time,
      anonymous: false,
      labels: { a: 'b' },
      options: { type: 'tmpfs' },
    },
    (text) => parseVolumeRecord(parseJson(text, 'document'), 'volume'),
  ),
  json(
    'working record',
    {
      version: 1,
      id,
      name: 'w',
      created: time,
      base: { id, digest },
      snapshot,
      config,
      history: [{ created_by: 'x' }],
      annotations: {},
      texts: { env: ['A=b'] },
    },
    (text) => serializeWorkingRecord(parseWorkingRecord(parseJson(text, 'document'), 'working')),
  ),
  inFile(
    'container.json',
    'container.json',
    {
      version: 1,
      id,
      name: 'n',
      created: time,
      imageId: id,
      driver: 'overlay',
      hostname: 'h',
      network: 'none',
      options: {},
      process: { args: ['a'] },
      labels: {},
      autoRemove: false,
      snapshot,
    },
    (_path, directory) => readContainerRecord(directory),
  ),
  inFile(
    'live',
    'live',
    { sv: 1, svStart: 2, boot: 'b', pid: 3, pidStart: 4, started: time, restarts: 0, paused: 1, cgroup: 'x' },
    (_path, directory) => readLive(directory),
  ),
  inFile(
    'exit',
    'exit',
    {
      v: 1,
      code: 1,
      signal: 9,
      oom: 1,
      error: '',
      stage: '',
      errno: 0,
      started: time,
      finished: time,
      restarts: 0,
    },
    (_path, directory) => readExit(directory),
  ),
  inFile(
    'health',
    'health',
    { status: 'healthy', failing: 0, log: [{ start: time, end: time, code: 0, output: 'x' }] },
    (_path, directory) => readHealth(directory),
  ),
  inFile(
    'networks.json',
    'networks.json',
    { version: 1, attachments: [{ network: 'n', interface: 'eth0', ip: '10.0.0.1', aliases: [], last: [] }] },
    (_path, directory) => readAttachments(directory),
  ),
  inStore(
    'build cache record',
    `build/cache/${id}.json`,
    {
      version: 1,
      key: id,
      parent: id,
      result: id,
      claim: id,
      instruction: 'RUN x',
      inputs: { instruction: 'x', parent: id },
      snapshot,
      madeLayer: true,
      created: time,
    },
    ({ build }) => {
      const cache = new BuildCache(`${build}/cache`, { get: () => undefined });
      return JSON.stringify([cache.list(), cache.find(id as CacheKey), cache.lastUsed(id as CacheKey)]);
    },
  ),
  inStore(
    'cache mount',
    `build/mounts/${id}/record.json`,
    {
      version: 1,
      identity: { namespace: 'n', id: 'i', from: 'f', owner: { uid: 0, gid: 0, mode: 493 } },
      created: time,
      lastUsed: time,
    },
    (paths) => new CacheMounts(paths, fileLocks).list(),
  ),
  inStore(
    'compressed layer',
    `build/compressed/${id}.json`,
    { [`none-0-tar${tarWriterVersion}-libzstd`]: { digest, size: 5, annotations: { a: 'b' } } },
    (paths) => rememberedLayer(paths, parseDiffId(digest, 'diffID'), { kind: 'none', level: 0 }),
  ),
  inStore(
    'kept signatures',
    `build/signatures/${id}.json`,
    [{ payload: 'e30=', signature: 's', annotations: { a: 'b' } }],
    (paths) => keptSignatures({ paths }, parseDigest(digest, 'digest')),
  ),
  inStore(
    'origin of a layer',
    `build/partial/${id}.json`,
    { registry: 'r', repository: 'a/b', canonical: true },
    (paths) => originOf(paths, { digest: parseDigest(digest, 'digest') }),
  ),
  inStore(
    'secret',
    'secrets/s.json',
    { id, created: time, updated: time, labels: { a: 'b' }, value: 'eA==' },
    (paths) => new SecretStore({ paths, locks: fileLocks }).list(),
  ),
  inFile('digests of files', 'stats.json', [['a', '1-2-3', id]], (path, directory) =>
    new StatCache(path, directory).changes('.'),
  ),
  inFile('any record', 'record.json', { version: 1, list: [1, 'a'] }, (path) => readJson(path)),
  json('line of a log', { log: 'a\n', stream: 'stderr', time }, (text) =>
    parseLogLine(Buffer.from(text), 'json-file'),
  ),
];
