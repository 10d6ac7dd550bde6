import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import { encodePlan } from '../../lib/native/plan.js';
import {
  allCapabilities,
  capabilityName,
  chooseCapabilities,
  defaultCapabilities,
} from '../../lib/sandbox/capabilities.js';
import { planExec, planLaunch } from '../../lib/sandbox/launch-plan.js';
import type { LaunchSpec } from '../../lib/sandbox/launch-spec.js';
import { defaultMounts, maskedPaths, readonlyPaths } from '../../lib/sandbox/mounts.js';
import { runtimeConfigText } from '../../lib/sandbox/runtime-config.js';

const spec: LaunchSpec = {
  id: 'a'.repeat(64),
  mode: 'detach',
  directory: '/store/containers/a',
  socket: '/run/s',
  idMap: {
    how: 'newuidmap',
    uid: [{ container: 0, host: 1000, size: 1 }],
    gid: [{ container: 0, host: 1000, size: 1 }],
  },
  root: [
    ['root', 'dir'],
    ['rootdir', '/r'],
  ],
  rootReadonly: true,
  hostNamespaces: ['net'],
  network: [],
  mounts: defaultMounts(),
  maskedPaths,
  readonlyPaths,
  process: {
    args: ['sh', '-c', 'x'],
    env: ['A=1'],
    cwd: '/w',
    user: 'app',
    groups: ['g'],
    umask: 0o22,
    tty: { rows: 24, columns: 80 },
    stdin: 'open',
  },
  confinement: { capabilities: [0, 5], noNewPrivileges: true, seccompFile: '/c/f.bpf' },
  rlimits: [{ name: 'nofile', soft: 1024, hard: -1 }],
  hostname: 'box',
  sysctls: { 'net.ipv4.ip_forward': '1' },
  init: true,
  stop: { signal: 15, timeoutMs: 10_000 },
  restart: { name: 'on-failure', maximum: 3 },
  log: { driver: 'k8s-file', path: '/l', maxSize: 0, maxFiles: 1 },
  cleanup: { rename: [{ from: '/a', to: '/b' }], remove: ['/b'], keepStarted: false },
  detachKeys: Uint8Array.of(16, 17),
  signalProxy: true,
};

test('a cgroup is told with its place and its files, and a bundle has the limits', (t) => {
  const manager = { kind: 'private', socket: '/s' } as const;
  const records = (cgroup: LaunchSpec['cgroup']) =>
    planLaunch({ ...spec, cgroup }).filter(([op]) => op.startsWith('cgroup'));
  const files = [
    ['memory.max', '5'],
    ['io.max', '8:0 rbps=1'],
    ['io.max', '8:1 rbps=1'],
  ] as const;
  const place = { kind: 'scope', mount: '/sys/fs/cgroup', unit: 'u', slice: undefined, manager } as const;
  t.deepEqual(records({ place, files, holdsPod: true }), [
    ['cgroup', 'scope', '/sys/fs/cgroup', 'u', '-', 'private', '/s'],
    ['cgroup-pod'],
    ...files.map((file) => ['cgroup-file', ...file] as const),
  ]);
  t.deepEqual(records({ place: { kind: 'split', mount: '/m' }, files: [] }), [['cgroup', 'split', '/m']]);
  t.deepEqual(records({ place: { kind: 'directory', path: '/m/a' }, files: [] }), [
    ['cgroup', 'directory', '/m/a'],
  ]);
  t.deepEqual(records({ place: { kind: 'member', path: '/m/p', unit: 'p.scope', manager }, files: [] }), [
    ['cgroup', 'member', '/m/p', 'p.scope', 'private', '/s'],
  ]);
  t.deepEqual(records({ place: { kind: 'member', path: '/m/p', unit: undefined, manager }, files: [] }), [
    ['cgroup', 'member', '/m/p'],
  ]);
  const config = JSON.parse(runtimeConfigText({ ...spec, cgroup: { place, files } }, { rootPath: 'r' }));
  t.deepEqual(config.linux.resources, { unified: { 'memory.max': '5' } });
});

test('a launch plan says everything of its spec, mounts in order', (t) => {
  const records = planLaunch(spec);
  const has = (...record: string[]): boolean =>
    t.true(
      records.some((each) => each.join(' ') === record.join(' ')),
      record.join(' '),
    );
  has('id', spec.id);
  has('mode', 'detach');
  has('idmap', 'newuidmap');
  has('uidmap', '0', '1000', '1');
  has('root-readonly');
  has('ns', 'net', 'host');
  has('env', 'A=1');
  has('home-env');
  has('umask', '0022');
  has('tty', '24', '80');
  has('cap', '5');
  has('nnp');
  has('seccomp', '/c/f.bpf');
  has('rlimit', 'nofile', '1024', '-1');
  has('stop', '15', '10000');
  has('restart', 'on-failure', '3');
  has('log', 'k8s-file', '/l', '0', '1');
  has('rename', '/a', '/b');
  has('remove', '/b');
  has('detach-keys', '1011');
  has('sig-proxy');
  t.deepEqual(
    records.filter(([op]) => op === 'arg').map((each) => each[1]),
    ['sh', '-c', 'x'],
  );
  const destinations = records.filter(([op]) => op === 'mount').map((each) => each[3]);
  t.deepEqual(destinations, [
    '/dev',
    '/dev/mqueue',
    '/dev/pts',
    '/dev/shm',
    '/proc',
    '/sys',
    '/sys/fs/cgroup',
  ]);
  t.notThrows(() => encodePlan(records));
});

test("the session of a start's data names its secrets where they lie in it", (t) => {
  const data = (destination: string, text: string): LaunchSpec['mounts'][number] => ({
    type: 'data',
    source: '',
    destination,
    options: [],
    data: Buffer.from(text),
  });
  const secrets = [
    { name: 'A', value: Buffer.from('four') },
    { name: 'B', value: Buffer.from('sixsix') },
  ];
  const start = {
    ...spec,
    mounts: [data('/z', 'z'), data('/b', 'bb')],
    process: { ...spec.process, secrets },
  };
  const { socket = '', process, confinement } = start;
  const session = { mode: 'child', socket, process, confinement, rlimits: [], signalProxy: false } as const;
  const named = (records: ReturnType<typeof planExec>): unknown =>
    records.filter(([op]) => op === 'env-data');
  t.deepEqual(named(planExec(session, start)), [
    ['env-data', 'A', '3:4'],
    ['env-data', 'B', '7:6'],
  ]);
  t.deepEqual(named(planExec(session, start)), named(planLaunch(start)));
  t.deepEqual(named(planExec(session)), []);
});

test('an exec plan has the process and its confinement only', (t) => {
  const operations = planExec({
    mode: 'foreground',
    socket: '/s',
    process: spec.process,
    confinement: spec.confinement,
    rlimits: [],
    signalProxy: false,
  }).map(([op]) => op);
  t.deepEqual(
    [...new Set(operations)],
    [
      'mode',
      'socket',
      'arg',
      'env',
      'cwd',
      'user',
      'group',
      'home-env',
      'umask',
      'tty',
      'stdin',
      'cap',
      'nnp',
      'seccomp',
    ],
  );
});

test('a runtime config is JSON with the profile in its place', (t) => {
  const config = JSON.parse(
    runtimeConfigText(spec, {
      rootPath: 'fs',
      seccomp: '{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}',
      annotations: { a: '"linux":{' },
    }),
  );
  t.is(config.ociVersion, '1.2.0');
  t.is(config.linux.seccomp.defaultAction, 'SCMP_ACT_ERRNO');
  t.deepEqual(config.linux.namespaces.map(({ type }: { type: string }) => type).sort(), [
    'cgroup',
    'ipc',
    'mount',
    'pid',
    'user',
    'uts',
  ]);
  t.deepEqual(config.process.capabilities.bounding, ['CAP_CHOWN', 'CAP_KILL']);
  t.is(config.annotations['coracle.user'], 'app');
  t.is(config.mounts[0].destination, '/dev');
});

const chooses = test.macro(
  (t, add: readonly string[], drop: readonly string[], expected: readonly number[]) => {
    t.deepEqual(chooseCapabilities(add, drop), expected);
  },
);
test('without wishes the default eleven are granted', chooses, [], [], defaultCapabilities());
test('dropping all leaves what is added', chooses, ['cap_net_raw', 'CHOWN'], ['ALL'], [0, 13]);
test(
  'adding all leaves out what is dropped',
  chooses,
  ['all'],
  ['SYS_ADMIN'],
  allCapabilities().filter((number) => number !== 21),
);
test(
  'adding one keeps the default',
  chooses,
  ['SYS_PTRACE'],
  [],
  [...defaultCapabilities(), 19].sort((a, b) => a - b),
);

test('the default set has eleven names and no raw sockets', (t) => {
  const names = defaultCapabilities().map(capabilityName);
  t.is(names.length, 11);
  t.false(names.includes('CAP_NET_RAW'));
});

test('unknown and contradicting capabilities are refused', (t) => {
  t.is(t.throws(() => chooseCapabilities(['NOPE'], []), { instanceOf: CoracleError })?.code, 'USAGE');
  t.throws(() => chooseCapabilities(['CHOWN'], ['cap_chown']), { message: /both added and dropped/ });
});
