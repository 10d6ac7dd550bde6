/** The command line by itself: help, wrong usage, exit codes, what the host is said to be. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { commands } from '../../cmd/commands.js';
import { type Cli, openCli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingProgram, missingUserNamespaces, repositoryRoot } from '../helpers/host.js';

const built = [missingCli()];
const ready = [missingCli(), missingUserNamespaces()];

/** Exit code and both streams. */
async function expect(
  t: ExecutionContext<unknown>,
  cli: Cli,
  args: readonly string[],
  wanted: { readonly code: number; readonly stdout?: RegExp; readonly stderr?: RegExp },
): Promise<void> {
  const { code, stdout, stderr } = await cli.run(args);
  const told = `coracle ${args.join(' ')}\n${stdout}\n${stderr}`;
  t.is(code, wanted.code, told);
  t.regex(stdout, wanted.stdout ?? /^$/, told);
  t.regex(stderr, wanted.stderr ?? /^$/, told);
}

testWith(built, 'without a command the overview is told and the exit code is 125', async (t) => {
  const cli = openCli(t);
  await expect(t, cli, [], { code: 125, stderr: /Usage: coracle \[OPTIONS\] COMMAND/ });
  await expect(t, cli, ['--help'], { code: 0, stdout: /Build and run:\n {2}build/ });
  await expect(t, cli, ['help', 'run'], { code: 0, stdout: /Usage: coracle run/ });
});

testWith(built, 'every command has help with examples, and reads nothing for it', async (t) => {
  const cli = openCli(t);
  for (const { name } of commands.slice(0, 4)) {
    await expect(t, cli, [name, '--help'], { code: 0, stdout: /Examples:/ });
  }
  t.false(existsSync(join(cli.root, 'version')));
});

testWith(built, 'wrong usage ends with 125 and says what was meant', async (t) => {
  const cli = openCli(t);
  await expect(t, cli, ['rnu'], {
    code: 125,
    stderr: /unknown command: rnu\nhint: did you mean coracle run\?/,
  });
  await expect(t, cli, ['ps', '--al'], {
    code: 125,
    stderr: /unknown flag: --al\nhint: did you mean --all\?/,
  });
  await expect(t, cli, ['run'], {
    code: 125,
    stderr: /^coracle: run: needs at least 1 argument, got 0\nhint: usage: coracle run/,
  });
  await expect(t, cli, ['tag', 'x'], { code: 125, stderr: /needs at least 2 arguments, got 1/ });
  await expect(t, cli, ['help', 'runn'], {
    code: 125,
    stderr: /^coracle: unknown command: runn\nhint: did you mean coracle run\?/,
  });
  await expect(t, cli, ['info', 'x'], { code: 125, stderr: /needs exactly 0 arguments, got 1/ });
  await expect(t, cli, ['run', '--oom-kill-disable', 'x'], {
    code: 125,
    stderr: /use --oom-kill-disable: cgroups of version 2 have no such limit/,
  });
  await expect(t, cli, ['run', '-p', '0:1', 'x'], { code: 125, stderr: /parse publish "0:1"/ });
  await expect(t, cli, ['ps', '--format', '{{'], {
    code: 125,
    stderr: /parse format "\{\{": unclosed action/,
  });
  await expect(t, cli, ['stop'], { code: 125, stderr: /usage: coracle stop/ });
  await expect(t, cli, ['--storage-driver', 'zfs', 'ps'], {
    code: 125,
    stderr: /must be overlay, fuse-overlayfs, copy/,
  });
});

testWith(built, 'what does not exist is named, and the other operands are still worked on', async (t) => {
  const cli = openCli(t);
  for (const command of ['stop', 'kill', 'rm', 'wait', 'logs']) {
    await expect(t, cli, [command, 'nobody'], {
      code: command === 'rm' ? 1 : 125,
      stderr: /^coracle: open container nobody: no such container\nhint/,
    });
  }
  await expect(t, cli, ['exec', 'nobody', 'true'], { code: 125, stderr: /no such container/ });
  await expect(t, cli, ['inspect', 'nobody'], {
    code: 125,
    stdout: /^\[\]\n$/,
    stderr: /no such container or image/,
  });
  const { code, stderr } = await cli.run(['rm', 'one', 'two']);
  t.is(code, 1);
  t.deepEqual(stderr.match(/open container \w+/g), ['open container one', 'open container two']);
  await expect(t, cli, ['rm', '-f', 'nobody'], { code: 0 });
  await expect(t, cli, ['stop', '--ignore', 'nobody'], { code: 0 });
  await expect(t, cli, ['rmi', 'nothing'], { code: 1, stderr: /remove image nothing: not in the store/ });
  await expect(t, cli, ['run', 'localhost/nothing'], {
    code: 125,
    stderr: /open image localhost\/nothing: not in the store/,
  });
  await expect(t, cli, ['run', '--pull=never', 'nothing'], {
    code: 125,
    stderr: /open image nothing: not in the store/,
  });
});

testWith(
  built,
  "words behind the image are the container's, also those that Node.js would take",
  async (t) => {
    const cli = openCli(t);
    const gone = join(cli.directory, 'gone.env');
    await expect(t, cli, ['run', '--env-file', gone, 'x'], {
      code: 125,
      stderr: /read .*gone\.env for --env-file: no such file/,
    });
    await expect(t, cli, ['run', '--pull', 'never', 'x', '--env-file', gone], {
      code: 125,
      stderr: /open image|no such|not in the store/,
    });
  },
);

testWith(built, 'the version is that of the package', async (t) => {
  const cli = openCli(t);
  const { version }: { version: string } = JSON.parse(
    readFileSync(join(repositoryRoot(), 'package.json'), 'utf8'),
  );
  t.is(await cli.ok(['version', '--format', '{{.Version}}']), `${version}\n`);
  t.regex(await cli.ok(['--version']), new RegExp(`^coracle ${version} `));
});

testWith(ready, 'doctor finds this host ready, in words and as JSON', async (t) => {
  const cli = openCli(t);
  t.regex(
    await cli.ok(['doctor']),
    /ok {4}user namespaces(.|\n)*This host can build and run containers\.\n$/,
  );
  const report: { ready: boolean; findings: { id: string; status: string; fix?: string }[] } = JSON.parse(
    await cli.ok(['doctor', '--format', 'json']),
  );
  t.true(report.ready);
  t.deepEqual(
    report.findings.filter(({ status }) => status === 'fail'),
    [],
  );
  t.true(report.findings.some(({ id, status }) => id === 'overlay' && status === 'ok'));
  t.true(report.findings.every(({ status, fix }) => status === 'ok' || fix !== undefined));
});

testWith(
  ready,
  'doctor says what is missing, what follows and the fix, and ends with 1 when containers cannot run',
  async (t) => {
    const cli = openCli(t);
    const env = { XDG_RUNTIME_DIR: '/proc' };
    const { code, stdout } = await cli.run(['doctor'], { env });
    t.is(code, 1);
    t.regex(stdout, /fail {2}runtime directory +.*\/proc(.|\n)*fix: /);
    t.regex(stdout, /This host cannot run containers yet/);
  },
);

testWith(
  [...ready, missingProgram('setpriv')],
  'doctor tells locks of the host apart, each with its own fix',
  async (t) => {
    const cli = openCli(t);
    const program = join(repositoryRoot(), 'dist', 'coracle');
    const locked = await runProgram('setpriv', ['--no-new-privs', program, '--root', cli.root, 'doctor'], {
      env: cli.env,
    });
    t.is(locked.code, 0, locked.stderr);
    t.regex(
      locked.stdout,
      /warn {2}no_new_privs .*\n +containers have a single id.*\n +fix: .*NoNewPrivileges=no/,
    );
    const script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" --root "$1" doctor';
    const words = ['--user', '--map-root-user', 'sh', '-c', script, program, cli.root];
    const forbidden = await runProgram('unshare', words, { env: cli.env });
    t.is(forbidden.code, 1, forbidden.stderr);
    t.regex(
      forbidden.stdout,
      /fail {2}user namespaces +user\.max_user_namespaces is 0\n.*\n +fix: .*sysctl -w user\.max_user_namespaces/,
    );
    t.notRegex(forbidden.stdout, /overlay/);
  },
);

testWith(ready, 'info tells the store, the driver and the ids', async (t) => {
  const cli = openCli(t);
  const info = JSON.parse(await cli.ok(['info', '--format', 'json']));
  t.is(info.store.root, cli.root);
  t.deepEqual([info.store.containers, info.store.images], [0, 0]);
  t.is(await cli.ok(['info', '-f', '{{.store.driver}}']), `${info.store.driver}\n`);
  t.is(await cli.ok(['--storage-driver', 'copy', 'info', '-f', '{{.store.driver}}']), 'copy\n');
});

testWith(ready, 'info and version answer by the names that scripts made for podman ask for', async (t) => {
  const cli = openCli(t);
  const { host, store, version } = JSON.parse(await cli.ok(['info', '--format', 'json']));
  t.is(host.security.rootless, process.getuid?.() !== 0);
  t.is(host.arch, process.arch === 'x64' ? 'amd64' : 'arm64');
  t.deepEqual(store.containerStore, { number: 0, paused: 0, running: 0, stopped: 0 });
  t.true(store.graphRootAllocated > store.graphRootUsed && store.graphRootUsed > 0);
  t.is(host.idMappings.uidmap[0].container_id, 0);
  const names = ['.Store.GraphRoot', '.Store.GraphDriverName', '.Host.CgroupsVersion', '.Version.Version'];
  const told = await cli.ok(['info', '-f', names.map((name) => `{{${name}}}`).join(' ')]);
  t.is(told, `${[cli.root, store.driver, host.cgroupVersion, version.Version].join(' ')}\n`);
  t.is(await cli.ok(['version', '-f', '{{.Client.Version}}']), `${version.Version}\n`);
});

testWith(
  ready,
  'the configuration file, the environment and the flag choose the driver, the later ones winning',
  async (t) => {
    const cli = openCli(t);
    const directory = join(cli.directory, 'home', '.config', 'coracle');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'config.json'), '{"storageDriver": "copy"}');
    const driver = ['info', '-f', '{{.store.driver}}'];
    t.is(await cli.ok(driver), 'copy\n');
    const env = { CORACLE_STORAGE_DRIVER: 'overlay' };
    t.is(await cli.ok(driver, { env }), 'overlay\n');
    t.is(await cli.ok(['--storage-driver', 'copy', ...driver], { env }), 'copy\n');
    writeFileSync(join(directory, 'config.json'), '{"storagedriver": "copy"}');
    await expect(t, cli, driver, { code: 125, stderr: /unknown key "storagedriver"/ });
  },
);

testWith(built, 'completion offers commands, options and values', async (t) => {
  const cli = openCli(t);
  t.regex(await cli.ok(['completion', 'bash']), /complete -o default -F _coracle coracle/);
  t.deepEqual((await cli.ok(['__complete', 'im'])).split('\n'), ['images', 'import', 'image', '']);
  t.regex(await cli.ok(['__complete', 'run', '--deb']), /^--debug\n$/);
  t.is(await cli.ok(['__complete', 'build', '--progress', 'r']), 'rawjson\n');
  const offers = async (...words: readonly string[]): Promise<string> =>
    (await cli.ok(['__complete', ...words])).trimEnd();
  t.is(await offers('--storage-driver', 'c'), 'copy');
  t.is(await offers('wait', '--condition', 'heal'), 'healthy');
  t.is(await offers('--storage-driver', 'copy', 'bui'), 'build\nbuilder');
  t.is(await offers('--root', cli.directory, 'run', '--pull', 'a'), 'always');
  for (const asked of [['--name'], ['-v'], ['-itv'], ['image'], ['--rm', '--name', 'x', 'image', 'sh']]) {
    t.is(await offers('run', ...asked, ''), '', asked.join(' '));
  }
  await expect(t, cli, ['completion', 'tcsh'], { code: 125, stderr: /must be bash, zsh, fish/ });
});

testWith(built, 'a reader that goes away ends a command quietly', async (t) => {
  const cli = openCli(t);
  const child = cli.start(['run', '--help']);
  child.stdout?.destroy();
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  t.true(code === 0 || code === 141, `${code}`);
  t.is(said, '');
});

testWith(built, 'output that cannot be written is an error, not a crash', async (t) => {
  const cli = openCli(t);
  const program = join(repositoryRoot(), 'dist', 'coracle');
  const shell = (script: string) => runProgram('sh', ['-c', script, program, cli.root], { env: cli.env });
  const full = await shell('"$0" --root "$1" images > /dev/full');
  t.is(full.code, 125);
  t.regex(full.stderr, /^coracle: write output: no space left on the device\nhint/);
  t.is((await shell('"$0" --root "$1" nosuch 2> /dev/full')).code, 125);
});

testWith(ready, '--debug and CORACLE_DEBUG tell in JSON lines on standard error what happens', async (t) => {
  const cli = openCli(t);
  for (const { code, stdout, stderr } of [
    await cli.run(['--debug', 'images']),
    await cli.run(['images'], { env: { CORACLE_DEBUG: '1' } }),
  ]) {
    t.is(code, 0, stderr);
    t.regex(stdout, /^REPOSITORY/);
    const lines = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; root?: string });
    t.is(lines.find(({ msg }) => msg === 'store opened')?.root, cli.root);
  }
  const quiet = await cli.run(['images'], { env: { CORACLE_DEBUG: '0' } });
  t.is(quiet.stderr, '');
});
