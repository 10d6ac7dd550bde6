/** A bundle's config.json comes from others: each wrong shape is INVALID by its place, each vain wish UNSUPPORTED by its name. */
import test from 'ava';
import fc from 'fast-check';
import { CoracleError, type ErrorCode } from '../../lib/errors.js';
import { parseBundleConfig } from '../../lib/oci/bundle-config.js';

const plain = {
  ociVersion: '1.0.2',
  process: { args: ['sh'], cwd: '/', user: { uid: 0, gid: 0 } },
  root: { path: 'rootfs' },
  linux: { namespaces: [{ type: 'mount' }] },
};

type Change = Readonly<Record<string, unknown>>;
const withProcess = (change: Change) => ({ ...plain, process: { ...plain.process, ...change } });
const withLinux = (change: Change) => ({ ...plain, linux: { ...plain.linux, ...change } });
const withMount = (mount: unknown) => ({ ...plain, mounts: [mount] });

const parse = (value: unknown) => parseBundleConfig(JSON.stringify(value), 'config.json');

test('a small configuration is enough, and what the specification does not know is passed over', (t) => {
  const config = parse({ ...plain, novelty: { a: 1 }, linux: { ...plain.linux, novelty: true } });
  t.deepEqual(config.process.args, ['sh']);
  t.deepEqual(config.process.capabilities, {
    bounding: [],
    effective: [],
    inheritable: [],
    permitted: [],
    ambient: [],
  });
  t.is(config.root.readonly, false);
  t.deepEqual(config.linux.namespaces, [{ type: 'mount', path: undefined }]);
});

test('null, empty lists and empty objects ask for nothing', (t) => {
  const config = parse({
    ...withLinux({ intelRdt: {}, mountLabel: '', resources: {}, seccomp: null, devices: [] }),
    hooks: null,
    mounts: null,
    windows: {},
  });
  t.deepEqual(config.mounts, []);
  t.is(config.linux.seccomp, undefined);
  t.deepEqual(config.linux.resources, { files: [], limits: [], unsupported: [] });
});

const cases: readonly (readonly [ErrorCode, RegExp, unknown])[] = [
  ['INVALID', /config\.json: expected an object/, []],
  ['INVALID', /ociVersion/, { ...plain, ociVersion: 'one' }],
  ['UNSUPPORTED', /ociVersion: version 2\.0\.0/, { ...plain, ociVersion: '2.0.0' }],
  ['INVALID', /root: expected an object/, { ...plain, root: undefined }],
  ['INVALID', /root\.path/, { ...plain, root: { path: '' } }],
  ['INVALID', /process: there is nothing to run/, { ...plain, process: undefined }],
  ['INVALID', /process\.args: there is nothing to run/, withProcess({ args: [] })],
  ['INVALID', /process\.args\[1\]/, withProcess({ args: ['a', 1] })],
  ['INVALID', /process\.cwd: "tmp" is not absolute/, withProcess({ cwd: 'tmp' })],
  ['INVALID', /process\.env\[0\]: "=a"/, withProcess({ env: ['=a'] })],
  ['INVALID', /process\.env\[0\]: "\*"/, withProcess({ env: ['*'] })],
  ['INVALID', /process\.user\.uid: 4294967296/, withProcess({ user: { uid: 4294967296 } })],
  ['INVALID', /process\.user\.uid/, withProcess({ user: { uid: -1 } })],
  [
    'INVALID',
    /additionalGids\[0\]: 2147483648/,
    withProcess({ user: { uid: 0, gid: 0, additionalGids: [2147483648] } }),
  ],
  [
    'INVALID',
    /capabilities\.effective: CAP_KILL is not permitted/,
    withProcess({ capabilities: { effective: ['CAP_KILL'] } }),
  ],
  ['INVALID', /oomScoreAdj/, withProcess({ oomScoreAdj: 1001 })],
  [
    'INVALID',
    /rlimits: RLIMIT_CPU is there twice/,
    withProcess({ rlimits: [1, 2].map((soft) => ({ type: 'RLIMIT_CPU', soft, hard: 2 })) }),
  ],
  [
    'INVALID',
    /rlimits\[0\]: soft is above hard/,
    withProcess({ rlimits: [{ type: 'RLIMIT_CPU', soft: 2, hard: 1 }] }),
  ],
  ['UNSUPPORTED', /process\.apparmorProfile/, withProcess({ apparmorProfile: 'docker-default' })],
  ['UNSUPPORTED', /process\.selinuxLabel/, withProcess({ selinuxLabel: 'a:b:c' })],
  ['UNSUPPORTED', /process\.scheduler/, withProcess({ scheduler: { policy: 'SCHED_FIFO' } })],
  ['UNSUPPORTED', /windows/, { ...plain, windows: { layerFolders: ['a'] } }],
  ['INVALID', /hostname: more than 64 bytes/, { ...plain, hostname: 'a'.repeat(65) }],
  ['INVALID', /mounts\[0\]\.destination: "a"/, withMount({ destination: 'a' })],
  [
    'UNSUPPORTED',
    /mounts\[0\]\.uidMappings/,
    withMount({ destination: '/a', uidMappings: [{ containerID: 0, hostID: 0, size: 1 }] }),
  ],
  ['UNSUPPORTED', /namespaces: without one of type mount/, withLinux({ namespaces: [] })],
  [
    'UNSUPPORTED',
    /of type mount that is there already/,
    withLinux({ namespaces: [{ type: 'mount', path: '/proc/1/ns/mnt' }] }),
  ],
  [
    'INVALID',
    /namespaces: pid is there twice/,
    withLinux({ namespaces: [{ type: 'mount' }, { type: 'pid' }, { type: 'pid' }] }),
  ],
  ['UNSUPPORTED', /no namespaces of type time/, withLinux({ namespaces: [{ type: 'time' }] })],
  ['INVALID', /"net" is no namespace/, withLinux({ namespaces: [{ type: 'net' }] })],
  [
    'INVALID',
    /namespaces\[0\]\.path/,
    withLinux({ namespaces: [{ type: 'pid', path: 'proc/1/ns/pid' }, { type: 'mount' }] }),
  ],
  [
    'INVALID',
    /uidMappings\[0\]/,
    withLinux({ uidMappings: [{ containerID: 0, hostID: 4294967295, size: 1 }] }),
  ],
  ['INVALID', /uidMappings\[0\]/, withLinux({ uidMappings: [{ containerID: 0, hostID: 0, size: 0 }] })],
  ['UNSUPPORTED', /rootfsPropagation: "shared"/, withLinux({ rootfsPropagation: 'shared' })],
  ['UNSUPPORTED', /linux\.intelRdt/, withLinux({ intelRdt: { closID: 'a' } })],
  ['UNSUPPORTED', /linux\.timeOffsets/, withLinux({ timeOffsets: { monotonic: { secs: 1 } } })],
  ['UNSUPPORTED', /personality/, withLinux({ personality: { domain: 'LINUX32' } })],
  ['INVALID', /maskedPaths\[0\]/, withLinux({ maskedPaths: ['proc'] })],
  ['INVALID', /sysctl\.a/, withLinux({ sysctl: { a: 1 } })],
  ['UNSUPPORTED', /devices\[0\]\.type: "p"/, withLinux({ devices: [{ type: 'p', path: '/dev/a' }] })],
  ['UNSUPPORTED', /seccomp\.listenerPath/, withLinux({ seccomp: { listenerPath: '/s' } })],
  ['INVALID', /hooks\.prestart\[0\]\.path/, { ...plain, hooks: { prestart: [{ path: 'a' }] } }],
  [
    'INVALID',
    /hooks\.poststop\[0\]\.timeout/,
    { ...plain, hooks: { poststop: [{ path: '/a', timeout: 0 }] } },
  ],
  ['INVALID', /annotations/, { ...plain, annotations: { a: 1 } }],
];

for (const [index, [code, message, value]] of cases.entries()) {
  test(`${index}: ${code} ${message.source}`, (t) => {
    const error = t.throws(() => parse(value), { instanceOf: CoracleError });
    t.is(error?.code, code);
    t.regex(error?.message ?? '', message);
  });
}

const withResources = (resources: Change) => parse(withLinux({ resources })).linux.resources;

test('limits are named, unless they limit nothing', (t) => {
  const { limits, unsupported } = withResources({
    devices: [{ allow: false, access: 'rwm' }],
    memory: { limit: 1024, swap: -1, swappiness: 5 },
    pids: { limit: 0 },
    cpu: { shares: 2, cpus: '' },
    hugepageLimits: [{ pageSize: '2MB', limit: 1 }],
  });
  t.deepEqual(limits, ['memory.limit', 'memory.swappiness', 'cpu.shares', 'hugepageLimits']);
  t.deepEqual(unsupported, ['memory.swappiness', 'hugepageLimits']);
});

test('limits become files of cgroup version 2', (t) => {
  const { files } = withResources({
    memory: { limit: 1000, swap: 1500, reservation: 700 },
    pids: { limit: 30 },
    cpu: { shares: 1024, quota: 5000, period: 10000, cpus: '0-1', mems: '0' },
    blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }], throttleWriteIOPSDevice: [] },
    unified: { 'memory.high': '900', 'hugetlb.2MB.max': '0' },
  });
  t.deepEqual(files, [
    ['memory.max', '1000'],
    ['memory.low', '700'],
    ['memory.swap.max', '500'],
    ['pids.max', '30'],
    ['cpu.weight', '39'],
    ['cpu.max', '5000 10000'],
    ['cpuset.cpus', '0-1'],
    ['cpuset.mems', '0'],
    ['io.max', '8:0 rbps=5'],
    ['memory.high', '900'],
    ['hugetlb.2MB.max', '0'],
  ]);
  t.deepEqual(withResources({ cpu: { period: 7, quota: -1 } }).files, [['cpu.max', 'max 7']]);
  for (const unified of [{ '../x': '1' }, { 'cgroup.procs': '1' }, { memory: '1' }])
    t.throws(() => withResources({ unified }), { message: /is no file of a controller/ });
  t.throws(() => withResources({ blockIO: { throttleReadBpsDevice: [{ major: 8 }] } }), {
    message: /throttleReadBpsDevice\[0\]\.minor/,
  });
  t.throws(() => withResources({ memory: { swap: 5 } }), { message: /memory\.swap/ });
});

test('ambient capabilities that cannot be raised are not asked of the kernel', (t) => {
  const names = ['CAP_KILL', 'CAP_CHOWN'];
  const sets = { permitted: names, ambient: names, inheritable: ['CAP_KILL'] };
  t.deepEqual(parse(withProcess({ capabilities: sets })).process.capabilities.ambient, ['CAP_KILL']);
});

test('a limit above what JSON can hold is none', (t) => {
  const text = JSON.stringify(withProcess({ rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 7 }] }));
  const config = parseBundleConfig(text.replace('"hard":7', '"hard":18446744073709551615'), 'config.json');
  t.deepEqual(config.process.rlimits, [{ type: 'RLIMIT_CORE', soft: 0, hard: -1 }]);
});

test('whatever stands in a configuration, an error is one of ours', (t) => {
  const place = fc.constantFrom('process', 'root', 'mounts', 'linux', 'hooks', 'annotations', 'hostname');
  fc.assert(
    fc.property(place, fc.jsonValue(), (name, value) => {
      try {
        parse({ ...plain, [name]: value });
      } catch (error) {
        if (!(error instanceof CoracleError)) throw error;
      }
    }),
  );
  t.pass();
});

test('text that is no JSON is INVALID', (t) => {
  t.is(t.throws(() => parseBundleConfig('{', 'config.json'), { instanceOf: CoracleError })?.code, 'INVALID');
});
