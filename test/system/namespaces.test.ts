/** Containers in namespaces of each other and of the host. */
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';

const quiet = ['--network', 'none'];

testWith(journeyNeeds, 'containers see the processes and the memory of one they join', async (t) => {
  const cli = await openCliWithBusybox(t);
  const hold = 'echo held >/dev/shm/word; exec sleep 1234';
  await cli.ok(['run', '-d', '--name', 'web', ...quiet, '--hostname', 'den', 'busybox', 'sh', '-c', hold]);
  const all = ['--pid', 'container:web', '--ipc', 'container:web', '--uts', 'container:web'];
  const look =
    'until cat /dev/shm/word 2>/dev/null; do sleep 0.1; done; hostname; ps | grep -c "[s]leep 1234"; echo $$';
  const told = await cli.ok(['run', '--rm', ...quiet, ...all, 'busybox', 'sh', '-c', look]);
  t.regex(told, /^held\nden\n1\n(?!1\n)\d+\n$/);
  const spaces = 'for n in pid ipc uts cgroup; do readlink /proc/self/ns/$n; done';
  const cgroup = ['--cgroupns', 'container:web'];
  const theirs = await cli.ok(['run', '--rm', ...quiet, ...all, ...cgroup, 'busybox', 'sh', '-c', spaces]);
  t.is(theirs, await cli.ok(['exec', 'web', 'sh', '-c', spaces]));
  const own = await cli.ok(['run', '--rm', ...quiet, 'busybox', 'sh', '-c', spaces]);
  for (const line of own.trim().split('\n')) t.false(theirs.includes(line));
});

testWith(journeyNeeds, 'what ends in the pid namespace of another leaves nothing there', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-d', '--name', 'web', ...quiet, 'busybox', 'sleep', '1000']);
  const guest = ['run', '-d', '--name', 'guest', ...quiet, '--pid', 'container:web'];
  await cli.ok([...guest, 'busybox', 'sh', '-c', 'sleep 1235 & sleep 1235 & exec sleep 1236']);
  const count = ['exec', 'web', 'sh', '-c', 'ps | grep -c "[s]leep 123"'];
  t.is((await cli.run(count)).stdout, '3\n');
  t.regex(await cli.ok(['top', 'guest', 'args']), /^COMMAND\n(sleep 123\d\n){3}$/);
  await cli.ok(['pause', 'guest']);
  t.is((await cli.run(['exec', 'web', 'echo', 'moves'])).stdout, 'moves\n');
  await cli.ok(['unpause', 'guest']);
  await cli.ok(['stop', '-t', '0', 'guest']);
  t.is((await cli.run(count)).stdout, '0\n');
});

testWith(journeyNeeds, 'the namespaces of the host can be shared', async (t) => {
  const cli = await openCliWithBusybox(t);
  const spaces = ['pid', 'ipc', 'uts', 'cgroup'] as const;
  const flags = ['--pid', 'host', '--ipc', 'host', '--uts', 'host', '--cgroupns', 'host'];
  const read = `${spaces.map((name) => `readlink /proc/self/ns/${name}`).join('; ')}; hostname`;
  const told = await cli.ok(['run', '--rm', ...quiet, ...flags, 'busybox', 'sh', '-c', read]);
  const host = spaces.map((name) => readlinkSync(`/proc/self/ns/${name}`));
  t.is(told, `${[...host, hostname()].join('\n')}\n`);
  const none = ['run', '--rm', ...quiet, '--ipc', 'none', 'busybox', 'ls', '/dev/shm'];
  t.is(await cli.ok(none), '');
  const mounted = await cli.run([
    'run',
    '--rm',
    ...quiet,
    '--ipc',
    'none',
    'busybox',
    'grep',
    'shm',
    '/proc/mounts',
  ]);
  t.is(mounted.code, 1);
});

testWith(journeyNeeds, 'a namespace has an owner that lends it and runs', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-d', '--name', 'shut', ...quiet, '--ipc', 'private', 'busybox', 'sleep', '100']);
  await cli.ok(['run', '-d', '--name', 'web', ...quiet, 'busybox', 'sleep', '100']);
  for (const [flags, reason] of [
    [['--ipc', 'container:shut'], /use --ipc container:shut: its ipc namespace is private/],
    [['--pid', 'container:nosuch'], /nosuch/],
    [['--uts', 'host', '--hostname', 'a'], /use --hostname and --uts: only one of them/],
    [['--pid', 'container:web', '--uts', 'container:shut'], /have to share one user namespace/],
    [['--ipc', 'host', '--sysctl', 'kernel.shm_rmid_forced=1'], /kernel.shm_rmid_forced/],
  ] as const) {
    const { code, stderr } = await cli.run(['run', '--rm', ...quiet, ...flags, 'busybox', 'true']);
    t.is(code, 125);
    t.regex(stderr, reason);
  }
  await cli.ok(['create', '--name', 'guest', ...quiet, '--pid', 'container:web', 'busybox', 'echo', 'hello']);
  t.regex((await cli.run(['rm', 'web'])).stderr, /remove container web: its namespaces are used by guest/);
  await cli.ok(['stop', '-t', '0', 'web']);
  t.regex((await cli.run(['start', 'guest'])).stderr, /web, whose pid namespace it uses, does not run/);
  await cli.ok(['start', 'web']);
  t.is((await cli.run(['start', '-a', 'guest'])).stdout, 'hello\n');
});
