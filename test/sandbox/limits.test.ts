/** Limits as files of a cgroup, and where the cgroup is made: decided over a directory that stands for the hierarchy. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { changeLimits } from '../../lib/container/change-limits.js';
import { CoracleError } from '../../lib/errors.js';
import { type CgroupFacts, parentWith } from '../../lib/host/cgroup.js';
import { type CgroupDecision, type CgroupRequest, decideCgroup } from '../../lib/sandbox/cgroup-place.js';
import { type LimitTexts, parseLimitFlags } from '../../lib/sandbox/limit-flags.js';
import { type CgroupFile, limitSettings, type ResourceLimits } from '../../lib/sandbox/limits.js';
import { temporaryDirectory } from '../helpers/host.js';

const firstFiles = (limits: ResourceLimits): readonly (CgroupFile | undefined)[] =>
  limitSettings(limits, (path) => `${path.length}:0`).map(({ files }) => files[0]);

const writes = test.macro((t, limits: ResourceLimits, ...expected: readonly CgroupFile[]) =>
  t.deepEqual(firstFiles(limits), expected),
);

test(
  'memory alone allows as much swap',
  writes,
  { memory: 64e6 },
  ['memory.max', '64000000'],
  ['memory.swap.max', '64000000'],
);
test(
  'memory and swap count together in the flag, apart in the kernel',
  writes,
  { memory: 64e6, 'memory-swap': 100e6, 'memory-reservation': 1e6 },
  ['memory.max', '64000000'],
  ['memory.low', '1000000'],
  ['memory.swap.max', '36000000'],
);
test(
  'any amount of swap',
  writes,
  { memory: 64e6, 'memory-swap': -1 },
  ['memory.max', '64000000'],
  ['memory.swap.max', 'max'],
);
test('processors are time of a period', writes, { cpus: 1.5 }, ['cpu.max', '150000 100000']);
test('processors of another period', writes, { cpus: 0.5, 'cpu-period': 50_000 }, ['cpu.max', '25000 50000']);
test('a quota without end', writes, { 'cpu-quota': -1, 'cpu-period': 5000 }, ['cpu.max', 'max 5000']);
test('shares are weights', writes, { 'cpu-shares': 1024 }, ['cpu.weight', '39']);
test('any number of processes', writes, { 'pids-limit': -1 }, ['pids.max', 'max']);
test(
  'sets of processors and memory nodes',
  writes,
  { 'cpuset-cpus': '0-1', 'cpuset-mems': '0' },
  ['cpuset.cpus', '0-1'],
  ['cpuset.mems', '0'],
);
test(
  'rates of devices go by their numbers',
  writes,
  {
    'device-read-bps': [{ device: '/dev/sda', value: 1000 }],
    'device-write-iops': [{ device: '/dev/sd', value: 5 }],
  },
  ['io.max', '8:0 rbps=1000'],
  ['io.max', '7:0 wiops=5'],
);
test(
  'files of the cgroup by their names',
  writes,
  { 'cgroup-conf': { 'memory.high': '5', 'hugetlb.2MB.max': '0' } },
  ['memory.high', '5'],
  ['hugetlb.2MB.max', '0'],
);

const reads = test.macro((t, texts: LimitTexts, expected: ResourceLimits | undefined) =>
  t.deepEqual(parseLimitFlags(texts), expected),
);
test('no flags are no limits', reads, {}, undefined);
test(
  'flags are numbers, sizes and lists',
  reads,
  { memory: '64m', 'memory-swap': '-1', cpus: '1.5', 'cpuset-cpus': '0,2-3', 'pids-limit': -1 },
  { memory: 67_108_864, 'memory-swap': -1, cpus: 1.5, 'cpuset-cpus': '0,2-3', 'pids-limit': -1 },
);
test(
  'devices and files of the cgroup come in any number',
  reads,
  {
    'device-read-bps': ['/dev/a:1m', '/dev/b:c:2'],
    'cgroup-conf': ['memory.high=5', 'io.latency=8:0 target=5'],
  },
  {
    'device-read-bps': [
      { device: '/dev/a', value: 1_048_576 },
      { device: '/dev/b:c', value: 2 },
    ],
    'cgroup-conf': { 'memory.high': '5', 'io.latency': '8:0 target=5' },
  },
);

test('what is no limit is refused by its flag', (t) => {
  const wrong: readonly LimitTexts[] = [
    { memory: '5x' },
    { 'memory-swap': '5m' },
    { memory: '5m', 'memory-swap': '4m' },
    { cpus: '0' },
    { cpus: '1', 'cpu-quota': 5 },
    { 'cpu-shares': 1 },
    { 'cpuset-cpus': 'a' },
    { 'blkio-weight': 5 },
    { 'device-read-bps': ['sda:1m'] },
    { 'device-read-iops': ['/dev/sda:1m'] },
    { 'cgroup-conf': ['cgroup.procs=1'] },
    { 'cgroup-conf': ['memory=1'] },
  ];
  for (const texts of wrong) {
    const error = t.throws(() => parseLimitFlags(texts), { instanceOf: CoracleError }, JSON.stringify(texts));
    t.is(error?.code, 'USAGE');
  }
  t.deepEqual(parseLimitFlags({ 'memory-swap': '5m' }, 'update'), { 'memory-swap': 5_242_880 });
});

test('an update writes what changes, with what is one file with it', (t) => {
  const place = temporaryDirectory(t);
  for (const name of ['memory.max', 'memory.swap.max', 'cpu.max', 'pids.max'])
    writeFileSync(join(place, name), 'old');
  const all = { memory: 5000, cpus: 2, 'cpu-period': 1000, 'pids-limit': 7, 'cpuset-cpus': '0' };
  t.deepEqual(changeLimits('box', place, all, { memory: 5000, cpus: 2, 'cpuset-cpus': '0' }), [
    'update container box: its cgroup has no cpuset.cpus, --cpuset-cpus holds from its next start',
  ]);
  const written = ['memory.max', 'memory.swap.max', 'cpu.max', 'pids.max'].map((name) =>
    readFileSync(join(place, name), 'utf8'),
  );
  t.deepEqual(written, ['5000', '5000', '2000 1000', 'old']);
  t.regex(changeLimits('box', undefined, all, { memory: 1 })[0] ?? '', /runs without a cgroup/);
});

const user = { uid: 1000, name: 'somebody' };
const manager = { kind: 'private', socket: '/run/user/1000/systemd/private' } as const;

/** A hierarchy with these controllers at `/` and at the user's place in it. */
function hierarchy(t: ExecutionContext, controllers: string, more: readonly string[] = []): CgroupFacts {
  const mount = temporaryDirectory(t);
  const delegated = join(mount, 'user.slice');
  mkdirSync(delegated);
  for (const directory of [mount, delegated]) {
    const all = directory === mount ? `${controllers} cpu cpuset io memory pids` : controllers;
    writeFileSync(join(directory, 'cgroup.controllers'), all);
    writeFileSync(join(directory, 'cgroup.subtree_control'), '');
    writeFileSync(join(directory, 'cgroup.procs'), '');
    for (const name of more) writeFileSync(join(directory, name), '');
  }
  return { mount, pure: true, own: '/', manager, delegated, user };
}

const decide = (facts: CgroupFacts, request: CgroupRequest): CgroupDecision =>
  decideCgroup('coracle-1', request, facts);

test('without limits there is no cgroup, unless one is wanted', (t) => {
  const facts = hierarchy(t, 'memory');
  t.deepEqual(decide(facts, {}), { spec: undefined, problem: undefined });
  t.is(decide(facts, { mode: 'disabled', limits: { memory: 1e6 } }).spec, undefined);
  t.deepEqual(decide(facts, { mode: 'enabled' }).spec, {
    place: { kind: 'scope', mount: facts.mount ?? '', unit: 'coracle-1', slice: undefined, manager },
    files: [],
  });
});

test('the supervisor of a service stays in its unit, unless another place is asked for', (t) => {
  const facts = hierarchy(t, 'memory');
  const kindOf = (request: CgroupRequest): string | undefined => decide(facts, request).spec?.place.kind;
  t.is(kindOf({ isService: true }), undefined);
  t.is(kindOf({ isService: true, limits: { memory: 1e6 } }), 'apart');
  t.is(kindOf({ isService: true, mode: 'enabled' }), 'scope');
});

test('what is delegated is applied, what is not is named with the file that helps', (t) => {
  const { spec, problem } = decide(hierarchy(t, 'memory pids', ['memory.swap.max']), {
    limits: { memory: 1e6, cpus: 1, 'cpuset-cpus': '0', 'pids-limit': 5 },
  });
  t.deepEqual(spec?.files, [
    ['memory.max', '1000000'],
    ['memory.swap.max', '1000000'],
    ['pids.max', '5'],
  ]);
  t.is(
    problem?.text,
    'limits not applied: --cpus, --cpuset-cpus: controllers cpu, cpuset are not delegated to somebody',
  );
  t.regex(problem?.hint ?? '', /Delegate=cpu cpuset io memory pids.*user@\.service\.d\/delegate\.conf/);
});

test('swap that nobody asked for is no problem where the kernel cannot limit it', (t) => {
  const facts = hierarchy(t, 'memory');
  t.is(decide(facts, { limits: { memory: 1e6 } }).problem, undefined);
  t.regex(
    decide(facts, { limits: { memory: 1e6, 'memory-swap': 2e6 } }).problem?.text ?? '',
    /--memory-swap: this kernel has no memory\.swap\.max/,
  );
});

test('a controller that the host does not have is not said to be kept from the user', (t) => {
  const facts = hierarchy(t, 'memory');
  writeFileSync(join(facts.mount ?? '', 'cgroup.controllers'), 'memory');
  const { problem } = decide(facts, { limits: { cpus: 1 } });
  t.regex(problem?.text ?? '', /controller cpu is not in this host's hierarchy/);
  t.regex(problem?.hint ?? '', /cgroup_enable=cpu/);
});

test('weights of disks go where the kernel has them', (t) => {
  const limits = { 'blkio-weight': 100 };
  t.deepEqual(decide(hierarchy(t, 'io', ['io.bfq.weight', 'io.weight']), { limits }).spec?.files, [
    ['io.bfq.weight', 'default 100'],
  ]);
  t.deepEqual(decide(hierarchy(t, 'io', ['io.weight']), { limits }).spec?.files, [
    ['io.weight', 'default 910'],
  ]);
  t.regex(decide(hierarchy(t, 'io'), { limits }).problem?.text ?? '', /this kernel has no io\.weight here/);
});

test('a hierarchy beside version 1 has no limits, and none at all still less', (t) => {
  const facts = hierarchy(t, 'hugetlb');
  const limits = { memory: 1e6 };
  t.regex(decide({ ...facts, pure: false }, { limits }).problem?.hint ?? '', /unified_cgroup_hierarchy/);
  const none = { ...facts, mount: undefined, manager: undefined };
  t.regex(
    decide(none, { limits }).problem?.text ?? '',
    /^limit not applied: --memory: this host has no cgroup v2/,
  );
  const refused = t.throws(() => decide(none, { mode: 'enabled' }), { instanceOf: CoracleError });
  t.is(refused?.code, 'HOST');
});

test('without systemd a directory is made where we may, below one that gives the controllers', (t) => {
  const facts = { ...hierarchy(t, 'memory', ['memory.swap.max']), manager: undefined, own: '/user.slice' };
  const { spec } = decide(facts, { limits: { memory: 1e6 } });
  t.deepEqual(spec?.place, { kind: 'directory', path: join(facts.delegated ?? '', 'coracle-1') });
  t.is(readFileSync(join(facts.delegated ?? '', 'cgroup.subtree_control'), 'utf8'), '+memory');
});

test('nothing is looked for above what may be written', (t) => {
  const { mount = '' } = hierarchy(t, 'memory');
  mkdirSync(join(mount, 'locked'));
  t.is(parentWith(mount, '/locked', []), undefined);
});

test('a parent is a slice of systemd or a path', (t) => {
  const facts = hierarchy(t, 'memory');
  const place = (parent: string) => decide(facts, { parent }).spec?.place;
  t.like(place('build.slice'), { kind: 'scope', slice: 'build.slice' });
  t.deepEqual(place('/jobs'), { kind: 'directory', path: join(facts.mount ?? '', 'jobs', 'coracle-1') });
  for (const wrong of ['jobs', '/../jobs', '/', 'a/b.slice'])
    t.throws(() => place(wrong), { instanceOf: CoracleError }, wrong);
});

test('split is a part of our own cgroup, no-conmon leaves the supervisor out', (t) => {
  const facts = hierarchy(t, 'memory');
  t.deepEqual(decide(facts, { mode: 'split' }).spec?.place, { kind: 'split', mount: facts.mount ?? '' });
  t.is(decide(facts, { mode: 'no-conmon' }).spec?.place.kind, 'apart');
});

test('a device that is none is refused by its name', (t) => {
  const limit = (device: string) => () =>
    decide(hierarchy(t, 'io'), { limits: { 'device-read-bps': [{ device, value: 1 }] } });
  t.regex(t.throws(limit('/dev/null'))?.message ?? '', /limit device \/dev\/null: it is no block device/);
  t.regex(t.throws(limit('/dev/none'))?.message ?? '', /limit device \/dev\/none: there is no such device/);
});
