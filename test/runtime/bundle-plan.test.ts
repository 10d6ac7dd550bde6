/** What becomes of a bundle's configuration: records of a plan, or a refusal by name. */
import test from 'ava';
import { CoracleError } from '../../lib/errors.js';
import type { PlanRecord } from '../../lib/native/plan.js';
import { parseBundleConfig } from '../../lib/oci/bundle-config.js';
import { planBundle } from '../../lib/runtime/bundle-plan.js';
import { chooseCgroup, scopeProperties } from '../../lib/runtime/cgroups.js';
import { containerPlaces } from '../../lib/runtime/places.js';

const host = { uid: 1000, gid: 1000, uidMap: '0 0 4294967295', gidMap: '0 0 4294967295' };
const inside = { uid: 0, gid: 0, uidMap: '0 1000 1\n1 100000 65536', gidMap: '0 1000 1\n1 100000 65536' };

type Change = Readonly<Record<string, unknown>>;

function configOf(change: Change, linux: Change = {}) {
  const value = {
    ociVersion: '1.2.0',
    process: { args: ['sh'], cwd: '/' },
    root: { path: 'rootfs' },
    linux: { namespaces: [{ type: 'mount' }, { type: 'pid' }], ...linux },
    ...change,
  };
  return parseBundleConfig(JSON.stringify(value), 'config.json');
}

function planOf(change: Change, linux: Change = {}, caller = inside): readonly PlanRecord[] {
  return planBundle({
    id: 'box',
    bundle: '/b',
    directory: '/run/box',
    config: configOf(change, linux),
    caller,
    mode: 'detach',
    hold: false,
    console: undefined,
    seccompFile: undefined,
    preserveFds: 0,
    state: ['{"id":"box",', '}'],
  });
}

const only = (records: readonly PlanRecord[], ...ops: readonly string[]) =>
  records.filter(([op]) => ops.includes(op));

test('namespaces that are not named are the caller’s, and paths are joined', (t) => {
  const namespaces = [
    { type: 'mount' },
    { type: 'pid' },
    { type: 'network', path: '/run/netns/a' },
    { type: 'user', path: '/proc/7/ns/user' },
  ];
  t.deepEqual(only(planOf({}, { namespaces }), 'ns', 'ns-path', 'idmap'), [
    ['idmap', 'host'],
    ['ns', 'ipc', 'host'],
    ['ns', 'uts', 'host'],
    ['ns', 'cgroup', 'host'],
    ['ns-path', 'net', '/run/netns/a'],
    ['ns-path', 'user', '/proc/7/ns/user'],
  ]);
});

const user = { namespaces: [{ type: 'mount' }, { type: 'user' }] };
const ids = (containerID: number, hostID: number, size: number) => [{ containerID, hostID, size }];

test('root of a user namespace writes the maps itself, cut where its own are', (t) => {
  const linux = { ...user, uidMappings: ids(0, 0, 1000), gidMappings: ids(5, 2, 10) };
  t.deepEqual(only(planOf({}, linux), 'idmap', 'uidmap', 'gidmap'), [
    ['idmap', 'direct'],
    ['uidmap', '0', '0', '1'],
    ['uidmap', '1', '1', '999'],
    ['gidmap', '5', '2', '10'],
  ]);
  t.throws(() => planOf({}, { ...linux, uidMappings: ids(0, 0, 70000) }), { message: /does not have them/ });
});

test('a user maps its own id alone, or has the helpers do it', (t) => {
  const how = (size: number) =>
    only(
      planOf({}, { ...user, uidMappings: ids(0, 1000, size), gidMappings: ids(0, 1000, size) }, host),
      'idmap',
    );
  t.deepEqual(how(1), [['idmap', 'single']]);
  t.deepEqual(how(2), [['idmap', 'newuidmap']]);
  t.throws(() => planOf({}, user, host), { message: /no mappings/ });
  t.throws(() => planOf({}, { uidMappings: ids(0, 0, 1) }), { message: /no new namespace of type user/ });
});

test('mounts keep their order and bring what they are asked, in our words', (t) => {
  const mounts = [
    { destination: '/proc', type: 'proc', source: 'proc' },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/a', type: 'bind', source: 'x', options: ['rbind', 'rro', 'nodev', 'rprivate'] },
    { destination: '/b', type: 'none', source: '/y', options: ['bind', 'rslave'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] },
  ];
  const records = planOf({ mounts });
  t.deepEqual(only(records, 'mount'), [
    ['mount', 'proc', 'proc', '/proc', ''],
    ['mount', 'dev', 'dev', '/dev', 'nosuid,strictatime,size=65536k'],
    ['mount', 'devpts', 'devpts', '/dev/pts', 'mode=0620,gid=5'],
    ['mount', 'bind', '/b/x', '/a', 'ro,nodev'],
    ['mount', 'bind', '/y', '/b', 'slave'],
    ['mount', 'cgroup2', 'cgroup2', '/sys/fs/cgroup', 'ro'],
  ]);
  t.deepEqual(only(records, 'device'), []);
  t.is(only(planOf({}), 'device').length, 6);
});

for (const [mount, message] of [
  [{ type: 'ext4', source: '/dev/sda' }, /file systems of type "ext4"/],
  [{ type: 'tmpfs', options: ['huge=always'] }, /the option "huge=always"/],
  [{ type: 'tmpfs', options: ['size=1,mode=777'] }, /the option "size=1,mode=777"/],
  [{ type: 'bind', source: '/a', options: ['rshared'] }, /the option "rshared"/],
  [{ type: 'bind', source: '/a', options: ['idmap'] }, /the option "idmap"/],
  [{ type: 'bind', source: '/a', options: ['remount'] }, /the option "remount"/],
  [{ type: 'bind', source: '/a', options: ['size=1'] }, /the option "size=1"/],
  [{ type: 'devpts', options: ['ptmxmode=000'] }, /the option "ptmxmode=000"/],
  [{ type: 'bind' }, /it has no source/],
] as const) {
  test(`a mount is refused: ${message.source}`, (t) => {
    t.throws(() => planOf({ mounts: [{ destination: '/m', ...mount }] }), {
      instanceOf: CoracleError,
      message,
    });
  });
}

test('each set of capabilities is its own', (t) => {
  const process = {
    args: ['sh'],
    cwd: '/',
    user: { uid: 5, gid: 6, umask: 0o77, additionalGids: [7] },
    capabilities: {
      bounding: ['CAP_CHOWN', 'CAP_KILL'],
      permitted: ['CAP_KILL'],
      effective: ['CAP_KILL'],
      inheritable: ['CAP_KILL'],
      ambient: ['CAP_KILL'],
    },
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 2 }],
  };
  t.deepEqual(only(planOf({ process }), 'capabilities', 'user', 'group', 'umask', 'rlimit'), [
    ['user', '5:6'],
    ['group', '7'],
    ['umask', '0077'],
    ['capabilities', '21', '20', '20', '20', '20'],
    ['rlimit', 'nofile', '1', '2'],
  ]);
  const unknown = { ...process, capabilities: { bounding: ['CAP_FLY'] } };
  t.throws(() => planOf({ process: unknown }), { message: /unknown capability "FLY"/ });
});

test('hooks of the container’s namespaces are in the plan, with the state they read', (t) => {
  const hook = { path: '/bin/h', args: ['h', 'x'], env: ['A=b'], timeout: 3 };
  const hooks = { createRuntime: [hook], createContainer: [hook], startContainer: [{ path: '/s' }] };
  t.deepEqual(only(planOf({ hooks }), 'state', 'hook', 'hook-arg', 'hook-env'), [
    ['state', '{"id":"box",', '}'],
    ['hook', 'create-container', '3', '/bin/h'],
    ['hook-arg', 'h'],
    ['hook-arg', 'x'],
    ['hook-env', 'A=b'],
    ['hook', 'start-container', '0', '/s'],
  ]);
});

test('a hostname needs a namespace that is not the host’s', (t) => {
  t.throws(() => planOf({ hostname: 'a' }), { message: /no namespace of type uts/ });
  const namespaces = [{ type: 'mount' }, { type: 'uts' }];
  t.deepEqual(only(planOf({ hostname: 'a', domainname: 'b' }, { namespaces }), 'hostname', 'domainname'), [
    ['hostname', 'a'],
    ['domainname', 'b'],
  ]);
});

const pure = { mount: '/sys/fs/cgroup', own: '/user.slice/mine' };
const hybrid = { mount: undefined, own: '/' };
const limited = { resources: { memory: { limit: 5 } } };

test('limits are refused by name where no cgroup holds them, unless the caller knows', (t) => {
  const { linux } = configOf({}, { ...limited, cgroupsPath: 'a:b:c' });
  const refused = { message: /linux\.resources\.memory\.limit/ };
  t.throws(() => chooseCgroup('box', linux, 'cgroupfs', hybrid), refused);
  const known = chooseCgroup('box', linux, 'disabled', hybrid);
  t.deepEqual(known.wish, { kind: 'none' });
  t.regex(known.warnings[0] ?? '', /memory\.limit/);
  const { linux: rare } = configOf({}, { resources: { memory: { swappiness: 5 } } });
  t.throws(() => chooseCgroup('box', rare, 'systemd', pure), { message: /memory\.swappiness/ });
  const { linux: pathOnly } = configOf({}, { cgroupsPath: '/a' });
  t.is(chooseCgroup('box', pathOnly, 'cgroupfs', hybrid).warnings.length, 1);
});

test('a cgroup is a directory or a scope, at the place that is named', (t) => {
  const wish = (cgroupsPath: string, manager: 'cgroupfs' | 'systemd', linux: Change = {}) =>
    chooseCgroup('box', configOf({}, { cgroupsPath, ...linux }).linux, manager, pure).wish;
  const directory = (path: string, needed: boolean) => ({ kind: 'directory', path, needed });
  t.deepEqual(wish('', 'cgroupfs'), { kind: 'none' });
  t.deepEqual(
    wish('', 'cgroupfs', limited),
    directory('/sys/fs/cgroup/user.slice/mine/coracle-oci-box', true),
  );
  t.deepEqual(wish('a/b', 'cgroupfs'), directory('/sys/fs/cgroup/user.slice/mine/a/b', false));
  t.deepEqual(wish('/a/b', 'cgroupfs'), directory('/sys/fs/cgroup/a/b', false));
  t.deepEqual(wish('user.slice:libpod:12', 'systemd'), {
    kind: 'scope',
    unit: 'libpod-12.scope',
    slice: 'user.slice',
  });
  t.like(wish('', 'systemd', limited), { unit: 'coracle-oci-box.scope', slice: undefined });
  for (const path of ['/', '/a/../..', '../a']) t.throws(() => wish(path, 'cgroupfs'), undefined, path);
  for (const path of ['/a', 'a:b', 'a:b:c:d', 'a:b:c/d', '../a:b:c'])
    t.throws(() => wish(path, 'systemd'), undefined, path);
});

test('systemd is told of the limits that it would otherwise write over', (t) => {
  const files = [
    ['memory.max', '5'],
    ['cpu.max', '50000 100000'],
    ['cpuset.cpus', '0'],
    ['pids.max', '7'],
  ] as const;
  t.deepEqual(scopeProperties(files), [
    ['MemoryMax', '5'],
    ['CPUQuotaPerSecUSec', '500000'],
    ['TasksMax', '7'],
  ]);
  t.deepEqual(scopeProperties([['cpu.max', 'max 100000']]), []);
});

test('names of containers cannot leave their directory', (t) => {
  for (const id of ['', '.', '..', '../a', 'a/b', '-a', '.a', 'a\0', 'a'.repeat(202)])
    t.throws(() => containerPlaces('/r', id), { instanceOf: CoracleError }, id);
  t.is(containerPlaces('/r', 'a.b_c-d+e').directory, '/r/a.b_c-d+e');
});
