/** Containers of bundles in cgroups: scopes of the user's systemd, and directories below one. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingControllers, missingScopes } from '../helpers/host.js';
import { openBundles } from './bundle-fixture.js';

const session = {
  env: {
    XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR,
    DBUS_SESSION_BUS_ADDRESS: process.env.DBUS_SESSION_BUS_ADDRESS,
  },
};

const cgroupOf = (pid: number): string =>
  /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';

testWith(
  [...journeyNeeds, missingScopes()],
  'a container is in the scope that its configuration names',
  async (t) => {
    const { bundle, apart, ok, directory } = await openBundles(t);
    const root = ['--root', join(directory, 'known'), '--systemd-cgroup'];
    t.teardown(() => ok([...root, 'delete', '-f', 'box'], session));
    const name = `box${process.pid}`;
    const where = bundle(['sh', '-c', 'while :; do sleep 1; done'], ({ linux }) => {
      linux.cgroupsPath = `user.slice:test:${name}`;
    });
    await apart([...root, 'create', '--bundle', where, '--pid-file', join(directory, 'pid'), 'box'], session);
    const pid = Number(readFileSync(join(directory, 'pid'), 'utf8'));
    t.regex(cgroupOf(pid), new RegExp(`user\\.slice/test-${name}\\.scope$`));
    const place = `/sys/fs/cgroup${cgroupOf(pid)}`;
    await ok([...root, 'start', 'box'], session);
    t.is(
      (await ok([...root, 'exec', 'box', 'sed', '-n', 's/^0:://p', '/proc/self/cgroup'], session)).trim(),
      '/',
    );
    await ok([...root, 'pause', 'box'], session);
    t.regex(readFileSync(join(place, 'cgroup.events'), 'utf8'), /^frozen 1$/m);
    await ok([...root, 'resume', 'box'], session);
    t.regex(readFileSync(join(place, 'cgroup.events'), 'utf8'), /^frozen 0$/m);
    await ok([...root, 'delete', '-f', 'box'], session);
    await eventually(async () => !existsSync(place) || undefined);
  },
);

testWith(
  [...journeyNeeds, missingControllers('memory', 'pids', 'cpu')],
  'limits of a configuration are those of the scope',
  async (t) => {
    const { bundle, ok, run, directory } = await openBundles(t);
    const root = ['--root', join(directory, 'known'), '--systemd-cgroup'];
    const limits = {
      memory: { limit: 64 * 1024 * 1024, swap: 64 * 1024 * 1024 },
      pids: { limit: 20 },
      cpu: { quota: 50_000, period: 100_000, shares: 512 },
    };
    const script =
      'cd /sys/fs/cgroup; cat memory.max memory.swap.max pids.max cpu.max cpu.weight; for i in $(seq 40); do sleep 2 & done 2>&1 | grep -c fork';
    const where = bundle(['sh', '-c', script], ({ linux }) => {
      linux.resources = limits;
    });
    const said = await run([...root, 'run', '--bundle', where, 'box'], session);
    t.deepEqual(
      said.stdout.split('\n').slice(0, 5),
      ['67108864', '0', '20', '50000 100000', '20'],
      said.stderr,
    );
    // One fork too many, and the shell gives up.
    t.is(said.stdout.split('\n')[5], '1');
    const greedy = bundle(
      ['sh', '-c', 'x=$(cat /dev/zero | head -c 200000000 | tr "\\0" a)'],
      ({ linux }) => {
        linux.resources = limits;
      },
    );
    t.not((await run([...root, 'run', '--bundle', greedy, 'box'], session)).code, 0);
    t.is(await ok([...root, 'list', '-q'], session), '');
  },
);
