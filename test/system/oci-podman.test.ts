/** Podman and buildah with this runtime in the place of crun. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { journeyNeeds } from '../helpers/busybox.js';
import { type Outcome, plainEnvironment, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingProgram, repositoryRoot, temporaryDirectory } from '../helpers/host.js';
import { writeBusyboxTar } from '../helpers/image.js';
import { openTerminal } from '../helpers/terminal.js';

const runtime = (): string => join(repositoryRoot(), 'dist', 'coracle-oci');

type Place = {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where the store is, for both programs. */
  readonly options: readonly string[];
  call(program: 'podman' | 'buildah', ...args: readonly string[]): Promise<Outcome>;
  ok(program: 'podman' | 'buildah', ...args: readonly string[]): Promise<string>;
};

/** A store of podman's own with the image `busybox`, and a configuration that knows the runtime. */
async function openPlace(t: ExecutionContext<unknown>): Promise<Place> {
  const directory = temporaryDirectory(t);
  const [home, run] = [join(directory, 'h'), join(directory, 'x')];
  for (const path of [home, run]) mkdirSync(path, { mode: 0o700 });
  const engine = [
    '[engine]',
    'cgroup_manager = "cgroupfs"',
    'events_logger = "file"',
    'runtime = "coracle-oci"',
    'runtime_supports_nocgroup = ["coracle-oci"]',
    'runtime_supports_nocgroups = ["coracle-oci"]',
    'runtime_supports_json = ["coracle-oci"]',
    '[engine.runtimes]',
    `coracle-oci = ["${runtime()}"]`,
  ];
  writeFileSync(join(directory, 'containers.conf'), `${engine.join('\n')}\n`);
  writeFileSync(join(directory, 'storage.conf'), '[storage]\ndriver = "vfs"\n');
  writeFileSync(join(directory, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  const env = {
    ...plainEnvironment(),
    HOME: home,
    XDG_RUNTIME_DIR: run,
    CONTAINERS_CONF: join(directory, 'containers.conf'),
    CONTAINERS_STORAGE_CONF: join(directory, 'storage.conf'),
  };
  const options = ['--root', join(directory, 's'), '--runroot', join(run, 'r')];
  const call: Place['call'] = (program, ...args) =>
    runProgram(program, [...options, ...args], { env, cwd: directory, timeout: 120_000 });
  const ok: Place['ok'] = async (program, ...args) => {
    const { code, stdout, stderr } = await call(program, ...args);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')}: exit ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  t.teardown(async () => {
    await call('podman', 'rm', '--all', '--force', '--time', '0');
    endPause(join(run, 'libpod', 'tmp', 'pause.pid'));
  });
  await ok('podman', 'import', writeBusyboxTar(join(directory, 'busybox.tar')), 'busybox');
  return { directory, env, options, call, ok };
}

/** Ends the process by which podman keeps its user namespace between calls. */
function endPause(pidFile: string): void {
  if (existsSync(pidFile)) process.kill(Number(readFileSync(pidFile, 'utf8')));
}

const podmanNeeds = [...journeyNeeds, missingProgram('podman'), missingProgram('conmon')];
const plain = ['--cgroups=disabled', '--network', 'none'];

testWith(podmanNeeds, 'podman runs containers of every kind', async (t) => {
  const { directory, call, ok } = await openPlace(t);
  const run = (...args: string[]) => call('podman', 'run', '--rm', ...plain, ...args);
  const script =
    (...options: string[]) =>
    async (text: string) =>
      (await run(...options, 'busybox', 'sh', '-c', text)).stdout.trim();
  t.is((await run('busybox', 'sh', '-c', 'exit 7')).code, 7);
  t.is((await run('busybox', 'nosuch')).code, 127);
  t.is((await run('busybox', '/etc')).code, 126);
  t.is(await script('-u', '5:6')('id -u; id -g'), '5\n6');
  t.regex(await script('-u', '5', '--cap-add', 'net_admin')('grep CapEff /proc/self/status'), /0001000$/);
  t.regex(await script()('grep Seccomp: /proc/self/status'), /2$/);
  t.regex(await script('--privileged')('grep -e Seccomp: -e CapEff /proc/self/status'), /ffff\nSeccomp:\t0$/);
  t.regex(await script('--read-only')('touch /x 2>&1'), /Read-only/);
  t.is(await script('-v', `${directory}/policy.json:/p:ro`)('test -s /p && echo there'), 'there');
  t.is(
    await script('--tmpfs', '/t:size=1m', '--hostname', 'foo')('df /t | tail -1 | wc -l; hostname'),
    '1\nfoo',
  );
  t.is(await script('--userns', 'keep-id')('id -u'), `${process.getuid?.()}`);
  t.is(await script('--uidmap', '0:1:1000', '--gidmap', '0:1:1000')('cat /proc/self/uid_map | wc -l'), '1');
  t.is(await script('--ulimit', 'nofile=100:200')('ulimit -n'), '100');
  t.is(await ok('podman', 'ps', '-aq'), '');
});

testWith(podmanNeeds, 'podman looks after a container in the background', async (t) => {
  const { directory, env, options, call, ok } = await openPlace(t);
  const loop = 'echo logged; trap "exit 3" TERM; while :; do sleep 0.1; done';
  await ok('podman', 'run', '-d', '--name', 'one', ...plain, 'busybox', 'sh', '-c', loop);
  t.is(
    await ok('podman', 'inspect', '-f', '{{.State.Status}} {{.OCIRuntime}}', 'one'),
    'running coracle-oci\n',
  );
  const inside = await call(
    'podman',
    'exec',
    '-u',
    '5:6',
    '-e',
    'A=b',
    '-w',
    '/bin',
    'one',
    'sh',
    '-c',
    'id -u; echo $A; pwd; exit 4',
  );
  t.deepEqual([inside.code, inside.stdout], [4, '5\nb\n/bin\n'], inside.stderr);
  t.is((await call('podman', 'exec', 'one', 'nosuch')).code, 127);
  await ok('podman', 'exec', '-d', 'one', 'touch', '/touched');
  await ok('podman', 'exec', 'one', 'sh', '-c', 'until test -e /touched; do sleep 0.1; done');
  const shell = `exec podman ${options.join(' ')} exec --preserve-fds 1 one cat /proc/self/fd/3 3< policy.json`;
  t.is((await runProgram('sh', ['-c', shell], { env, cwd: directory })).code, 0);
  const terminal = openTerminal('podman', [...options, 'exec', '-it', 'one', 'sh'], {
    env,
    rows: 31,
    columns: 71,
  });
  await terminal.waitFor('# ');
  terminal.write('tty; stty size\r');
  await terminal.waitFor(/\/dev\/pts\/\d+\s+31 71/);
  terminal.write('exit 9\r');
  t.is((await terminal.exit).code, 9);
  t.is(await ok('podman', 'logs', 'one'), 'logged\n');
  await ok('podman', 'run', '--rm', ...plain.slice(0, 1), '--network', 'container:one', 'busybox', 'true');
  await ok('podman', 'stop', '-t', '10', 'one');
  t.is(await ok('podman', 'inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'one'), 'exited 3\n');
  await ok('podman', 'start', 'one');
  await ok('podman', 'kill', 'one');
  t.is(await ok('podman', 'wait', 'one'), '137\n');
  await ok('podman', 'rm', 'one');
  const known = await runProgram(runtime(), ['list', '-q'], { env });
  t.is(known.stdout, '');
});

testWith(podmanNeeds, 'podman gives a terminal to a container', async (t) => {
  const { env, options } = await openPlace(t);
  const words = [...options, 'run', '-it', '--rm', ...plain, 'busybox', 'sh'];
  const terminal = openTerminal('podman', words, { env, rows: 32, columns: 72 });
  await terminal.waitFor('# ');
  terminal.write('ls -l /dev/console | wc -l; stty size\r');
  await terminal.waitFor(/1\s+32 72/);
  terminal.write('exit 5\r');
  t.is((await terminal.exit).code, 5);
});

testWith([...podmanNeeds, missingProgram('buildah')], 'buildah builds and runs by it', async (t) => {
  const { directory, call, ok } = await openPlace(t);
  writeFileSync(
    join(directory, 'Dockerfile'),
    'FROM localhost/busybox\nRUN id -u > /made\nRUN --mount=type=tmpfs,target=/t touch /t/x\nUSER 5\nRUN test "$(id -u)" = 5\n',
  );
  const by = ['--isolation', 'oci', '--network', 'none', '--runtime', runtime()];
  await ok('buildah', 'bud', ...by, '-t', 'made', '-f', 'Dockerfile', '.');
  const container = (await ok('buildah', 'from', '--pull-never', 'localhost/made')).trim();
  const said = await call('buildah', 'run', ...by, container, 'sh', '-c', 'cat /made; exit 6');
  t.deepEqual([said.code, said.stdout], [6, '0\n'], said.stderr);
  await ok('buildah', 'rm', container);
});
