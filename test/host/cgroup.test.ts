/** What a cgroup says of those in it, read from a directory that stands for one; and what doctor says of delegation. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { cgroupFinding } from '../../lib/doctor/check-cgroup.js';
import type { CgroupFacts } from '../../lib/host/cgroup.js';
import { readCgroupUsage } from '../../lib/host/cgroup-usage.js';
import { temporaryDirectory } from '../helpers/host.js';

function cgroup(t: ExecutionContext, files: Readonly<Record<string, string>>): string {
  const directory = temporaryDirectory(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

test('its controllers count what its processes use', (t) => {
  const directory = cgroup(t, {
    'cpu.stat': 'usage_usec 2500000\nuser_usec 1\n',
    'memory.current': '1000000\n',
    'memory.stat': 'anon 1\ninactive_file 400000\n',
    'memory.max': '67108864\n',
    'pids.current': '3\n',
    'io.stat': '8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2 rios=1\n',
  });
  t.deepEqual(readCgroupUsage(directory), {
    cpuSeconds: 2.5,
    memory: 600_000,
    memoryLimit: 67_108_864,
    pids: 3,
    blockIn: 11,
    blockOut: 22,
  });
});

test('what a cgroup does not have is left to others, and no limit is none', (t) => {
  t.deepEqual(readCgroupUsage(cgroup(t, { 'pids.current': '1\n' })), { pids: 1 });
  t.deepEqual(readCgroupUsage(cgroup(t, { 'memory.current': '5\n', 'memory.max': 'max\n' })), { memory: 5 });
  t.deepEqual(readCgroupUsage('/nowhere'), {});
});

function facts(t: ExecutionContext, delegated: string): CgroupFacts {
  const mount = cgroup(t, { 'cgroup.controllers': 'cpuset cpu io memory pids' });
  mkdirSync(join(mount, 'user'));
  writeFileSync(join(mount, 'user', 'cgroup.controllers'), delegated);
  return {
    mount,
    pure: true,
    own: '/session',
    manager: { kind: 'private', socket: '/x' },
    delegated: join(mount, 'user'),
    user: { uid: 1000, name: 'somebody' },
  };
}

test('doctor names the controllers that are delegated, and those that are not with the flags and the fix', (t) => {
  t.like(cgroupFinding(facts(t, 'cpuset cpu io memory pids')), {
    status: 'ok',
    detail: "cpuset, cpu, io, memory, pids, by the user's systemd",
  });
  const some = cgroupFinding(facts(t, 'cpu memory pids'));
  t.is(some.status, 'warn');
  t.is(
    some.detail,
    "controllers cpuset, io are not delegated to somebody; cpu, memory, pids by the user's systemd",
  );
  t.regex(some.consequence ?? '', /--cpuset-cpus.*--device-read-bps/);
  t.regex(some.fix ?? '', /user@\.service\.d\/delegate\.conf/);
});

test('doctor says what a host without delegation wants', (t) => {
  const none = { ...facts(t, ''), manager: undefined, delegated: undefined };
  t.is(cgroupFinding({ ...none, pure: false }).fix?.includes('unified_cgroup_hierarchy=1'), true);
  t.is(cgroupFinding(none).status, 'warn');
});
