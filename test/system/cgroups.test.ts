/** Containers in cgroups of their own: in scopes that a manager of units makes, and in a part of the hierarchy that is ours. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { cgroupMount } from '../../lib/host/cgroup.js';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import type { Cli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCgroup2, missingOwnCgroup, missingScopes, ownCgroup } from '../helpers/host.js';
import { openUnitManager, type UnitAnswer, type UnitCall } from '../helpers/unit-manager.js';

const quiet = ['--network', 'none'];
const wanted = [...quiet, '--cgroups', 'enabled'];
const forever = ['busybox', 'sh', '-c', 'while :; do sleep 0.1; done'];

/** The directory of a container's cgroup. */
async function placeOf(cli: Cli, name: string): Promise<string> {
  const path = (await cli.ok(['inspect', '-f', '{{.State.CgroupPath}}', name])).trim();
  const mount = cgroupMount() ?? '';
  return path.startsWith(mount) ? path : join(mount, path);
}

const read = (place: string, file: string): string => readFileSync(join(place, file), 'utf8');
const frozen = (place: string): string | undefined =>
  /^frozen (\d)$/m.exec(read(place, 'cgroup.events'))?.[1];

/** Does as systemd would, below our own cgroup. Scopes are taken away when the test ends. */
function makeUnits(t: ExecutionContext<unknown>): (call: UnitCall) => UnitAnswer {
  const units = join(ownCgroup() ?? '', `units-${process.pid}-${Math.random().toString(36).slice(2)}`);
  mkdirSync(units);
  t.teardown(() => removeCgroups(units));
  return (call) => {
    const place = join(units, call.unit, call.member === 'StartTransientUnit' ? '' : call.path);
    const pids = call.member === 'StartTransientUnit' ? call.properties.PIDs : call.pids;
    mkdirSync(place, { recursive: true });
    for (const pid of pids as readonly number[]) writeFileSync(join(place, 'cgroup.procs'), `${pid}`);
    return undefined;
  };
}

function removeCgroups(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true }))
    if (entry.isDirectory()) removeCgroups(join(directory, entry.name));
  rmdirSync(directory);
}

testWith(
  [...journeyNeeds, missingCgroup2()],
  'a scope is asked of the manager of units, and what it answers instead is told',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const text = 'the manager is not in the mood';
    const calls = await openUnitManager(t, cli.runtime, ({ unit }) =>
      unit.includes('-first')
        ? { error: 'org.freedesktop.systemd1.UnitExists', text: 'it is there' }
        : { error: 'org.example.Mood', text },
    );
    const refused = await cli.run(['run', ...wanted, '--cgroup-parent', 'jobs.slice', 'busybox', 'true']);
    t.is(refused.code, 125);
    t.regex(refused.stderr, /make cgroup coracle-[0-9a-f]{64}\.scope: the manager is not in the mood/);
    t.is(calls.length, 1);
    const [call] = calls;
    if (call?.member !== 'StartTransientUnit') return t.fail('another call');
    t.like(call.properties, { Slice: 'jobs.slice', Delegate: true, CollectMode: 'inactive-or-failed' });
    t.is((call.properties.PIDs as readonly number[]).length, 2);
    t.is(await cli.ok(['ps', '-aq']), '');
  },
);

testWith(
  [...journeyNeeds, missingOwnCgroup()],
  'the container is in a leaf of its scope, with what is executed in it; its supervisor is beside',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const calls = await openUnitManager(t, cli.runtime, makeUnits(t));
    await cli.ok(['run', '-d', '--name', 'box', ...wanted, ...forever]);
    const place = await placeOf(cli, 'box');
    t.regex(place, /coracle-[0-9a-f]{64}\.scope\/container-[0-9a-f]{12}$/);
    const scope = dirname(place);
    t.is(read(scope, 'supervisor/cgroup.procs').trim().split('\n').length, 2);
    t.is(read(scope, 'cgroup.procs'), '');
    await cli.ok(['exec', '-d', 'box', 'sleep', '100']);
    await eventually(async () => read(place, 'cgroup.procs').trim().split('\n').length >= 3 || undefined);
    t.is((await cli.ok(['exec', 'box', 'sed', '-n', 's/^0:://p', '/proc/self/cgroup'])).trim(), '/');

    await cli.ok(['pause', 'box']);
    t.is(frozen(place), '1');
    t.regex(await cli.ok(['ps', '--format', '{{.Status}}']), /Paused/);
    t.is((await cli.run(['exec', 'box', 'true'])).code, 125);
    await cli.ok(['unpause', 'box']);
    t.is(frozen(place), '0');
    await cli.ok(['pause', 'box']);
    await cli.ok(['stop', '-t', '0', 'box']);
    t.false(existsSync(place));

    // A start by the kept plan, without Node.js, of a container that was killed while it was frozen.
    await cli.ok(['start', 'box']);
    t.is(frozen(await placeOf(cli, 'box')), '0');
    t.deepEqual(
      calls.map(({ member }) => member),
      ['StartTransientUnit', 'StartTransientUnit'],
    );
    await cli.ok(['rm', '-f', '-t', '0', 'box']);
  },
);

testWith(
  [...journeyNeeds, missingOwnCgroup()],
  'a scope whose name is taken gets another one, and a restart by policy is in the same',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const make = makeUnits(t);
    const taken = { error: 'org.freedesktop.systemd1.UnitExists', text: 'it is there' };
    const calls = await openUnitManager(t, cli.runtime, (call) =>
      /-\d+\.scope$/.test(call.unit) ? make(call) : taken,
    );
    const script = 'cat /proc/self/cgroup | grep -c "^0::/$"; exit 1';
    await cli.ok([
      'run',
      '-d',
      '--name',
      'box',
      ...wanted,
      '--restart',
      'on-failure:2',
      'busybox',
      'sh',
      '-c',
      script,
    ]);
    await cli.ok(['wait', 'box']);
    t.is(await cli.ok(['logs', 'box']), '1\n1\n1\n');
    t.is(calls.length, 2);
    t.regex(calls[1]?.unit ?? '', /^coracle-[0-9a-f]{64}-\d+\.scope$/);
  },
);

testWith(
  [...journeyNeeds, missingOwnCgroup()],
  'with no-conmon the supervisor stays where it is, and its health checks are in the cgroup all the same',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const calls = await openUnitManager(t, cli.runtime, makeUnits(t));
    const check = ['--health-cmd', 'grep -qx 0::/ /proc/self/cgroup', '--health-interval', '200ms'];
    await cli.ok(['run', '-d', '--name', 'box', ...quiet, '--cgroups', 'no-conmon', ...check, ...forever]);
    const scope = dirname(await placeOf(cli, 'box'));
    t.is(read(scope, 'supervisor/cgroup.procs').trim().split('\n').length, 1);
    const [call] = calls;
    if (call?.member !== 'StartTransientUnit') return t.fail('another call');
    t.is((call.properties.PIDs as readonly number[]).length, 1);
    await cli.ok(['wait', '--condition', 'healthy', 'box']);
    await cli.ok(['rm', '-f', '-t', '0', 'box']);
  },
);

testWith(
  [...journeyNeeds, missingOwnCgroup()],
  'containers of a pod that has a cgroup are in it together',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const calls = await openUnitManager(t, cli.runtime, makeUnits(t));
    await cli.ok(['pod', 'create', '--cgroup-parent', 'jobs.slice', ...quiet, 'shop']);
    await cli.ok(['run', '-d', '--pod', 'shop', '--name', 'web', ...forever]);
    await cli.ok(['run', '-d', '--pod', 'shop', '--name', 'db', ...forever]);
    const [web, db] = [await placeOf(cli, 'web'), await placeOf(cli, 'db')];
    t.is(dirname(web), dirname(db));
    t.is(basename(dirname(web)), 'pod');
    t.is(
      read(dirname(dirname(web)), 'supervisor/cgroup.procs')
        .trim()
        .split('\n').length,
      6,
    );
    t.deepEqual(
      calls.map(({ member }) => member),
      ['StartTransientUnit', 'AttachProcessesToUnit', 'AttachProcessesToUnit'],
    );
    t.is(await cli.ok(['pod', 'inspect', '-f', '{{.CgroupParent}}', 'shop']), 'jobs.slice\n');
    await cli.ok(['pod', 'rm', '-f', 'shop']);
    t.false(existsSync(dirname(web)));
  },
);

testWith(
  [...journeyNeeds, missingOwnCgroup()],
  'without a manager of units the cgroup is made in the part that is ours',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['run', '-d', '--name', 'box', ...wanted, ...forever]);
    const place = await placeOf(cli, 'box');
    t.regex(place, /coracle-[0-9a-f]{64}$/);
    await cli.ok(['pause', 'box']);
    t.is(frozen(place), '1');
    await cli.ok(['unpause', 'box']);
    await cli.ok(['restart', '-t', '0', 'box']);
    t.regex(read(await placeOf(cli, 'box'), 'cgroup.procs'), /\d/);
    const stats = JSON.parse(await cli.ok(['stats', '--no-stream', '--format', 'json', 'box']));
    t.is(stats.length, 1);
    // A supervisor that is killed leaves its cgroup to who removes the container.
    const directory = join(cli.root, 'containers', (await cli.ok(['ps', '-q', '--no-trunc'])).trim());
    process.kill(JSON.parse(readFileSync(join(directory, 'live'), 'utf8')).sv, 'SIGKILL');
    await eventually(async () => (await cli.ok(['ps', '-q'])) === '' || undefined);
    t.true(existsSync(place));
    await cli.ok(['rm', 'box']);
    t.false(existsSync(place));
    const none = await cli.run([
      'run',
      '--rm',
      ...quiet,
      '--cgroups',
      'disabled',
      'busybox',
      'sh',
      '-c',
      'cat /proc/self/cgroup',
    ]);
    t.is(none.code, 0);
  },
);

testWith(
  [...journeyNeeds, missingScopes()],
  "the user's systemd makes a scope, and takes it away when the container has ended",
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const session = { env: { XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR } };
    const script = 'sed -n "s/^0:://p" /proc/self/cgroup';
    t.is(await cli.ok(['run', '--rm', ...wanted, 'busybox', 'sh', '-c', script], session), '/\n');
    await cli.ok(
      ['run', '-d', '--name', 'box', ...wanted, '--cgroup-parent', 'jobs.slice', ...forever],
      session,
    );
    const place = await placeOf(cli, 'box');
    t.regex(place, /\/jobs\.slice\/coracle-[0-9a-f]{64}\.scope\/container-/);
    t.is(await cli.ok(['exec', 'box', 'sh', '-c', script], session), '/\n');
    await cli.ok(['rm', '-f', '-t', '0', 'box'], session);
    await eventually(async () => !existsSync(dirname(place)) || undefined);
  },
);

testWith(
  [...journeyNeeds, missingOwnCgroup()],
  'the cgroup of a build step whose builder was killed goes with the next command',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const parent = join(ownCgroup() ?? '', `build-${process.pid}`);
    mkdirSync(parent);
    t.teardown(() => removeCgroups(parent));
    const context = join(cli.directory, 'context');
    mkdirSync(context);
    writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nRUN sleep 1000\n');
    const at = parent.slice((cgroupMount() ?? '').length);
    const build = cli.start(['build', '--network', 'none', '--cgroup-parent', at, context]);
    const step = await eventually(async () => cgroupsBelow(parent).find((name) => isInUse(parent, name)));
    t.regex(step, /^coracle-build-/);
    build.kill('SIGKILL');
    await cli.ok(['images']);
    t.deepEqual(cgroupsBelow(parent), []);
  },
);

function cgroupsBelow(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
}

function isInUse(parent: string, name: string): boolean {
  return read(join(parent, name), 'cgroup.procs') !== '';
}
