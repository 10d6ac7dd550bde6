/** Containers from run to rm, as an unprivileged user, over all three storage drivers. */

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { type Cli, openCli } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingCli, missingDevice, missingProgram, missingUserNamespaces } from '../helpers/host.js';
import { missingBusybox, writeBusyboxTar } from '../helpers/image.js';

const needs = [missingCli(), missingUserNamespaces(), missingBusybox()];
const networked = [...needs, missingProgram('pasta'), missingDevice('/dev/net/tun')];

/** A tool whose store has the image `busybox`. */
async function withBusybox(t: ExecutionContext<unknown>): Promise<Cli> {
  const cli = openCli(t);
  const tar = writeBusyboxTar(join(cli.directory, 'busybox.tar'));
  await cli.ok(['import', '-c', 'CMD ["sh"]', tar, 'busybox']);
  return cli;
}

/** Polls until `probe` gives something. */
async function eventually<T>(probe: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 15_000; Date.now() < deadline; await sleep(50)) {
    const found = await probe();
    if (found !== undefined) return found;
  }
  throw new Error('wait: it did not happen within 15 s');
}

const quiet = ['--rm', '--network', 'none'];

const drivers = [
  { driver: 'overlay', missing: needs },
  {
    driver: 'fuse-overlayfs',
    missing: [...needs, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')],
  },
  { driver: 'copy', missing: needs },
];

for (const { driver, missing } of drivers) {
  testWith(
    missing,
    `${driver}: a container has the image's files, its own changes, and leaves nothing`,
    async (t) => {
      const cli = await withBusybox(t);
      const run = (...words: string[]): Promise<string> =>
        cli.ok(['--storage-driver', driver, 'run', ...quiet, 'busybox', ...words]);
      t.is(
        await run(
          'sh',
          '-c',
          'echo new > /etc/motd && rm /etc/group && mv /bin/vi /bin/edit && cat /etc/motd && ls -d /etc/[gmp]*',
        ),
        'new\n/etc/motd\n/etc/passwd\n',
      );
      t.is(await run('sh', '-c', 'test -e /bin/vi && ls -d /etc/[gmp]*'), '/etc/group\n/etc/passwd\n');
      t.is(
        await run(
          'sh',
          '-c',
          'rmdir /var/www && mkdir /var/www && ls -a /var/www && chown 33:33 /var/www && stat -c %u:%g /var/www',
        ),
        '.\n..\n33:33\n',
      );
      t.is(await cli.ok(['ps', '-aq']), '');
      t.deepEqual(readdirSync(join(cli.root, 'containers')), ['.names']);
      t.deepEqual(readdirSync(join(cli.root, 'trash')), []);
    },
  );

  testWith(missing, `${driver}: a container lives from run -d to rm`, async (t) => {
    const cli = await withBusybox(t);
    const script = 'trap "echo bye; exit 3" TERM; echo up; touch /made; while :; do sleep 0.05; done';
    const id = (
      await cli.ok([
        '--storage-driver',
        driver,
        'run',
        '-d',
        '--name',
        'box',
        '--network',
        'none',
        'busybox',
        'sh',
        '-c',
        script,
      ])
    ).trim();
    t.regex(id, /^[0-9a-f]{64}$/);
    t.is(
      await cli.ok(['ps', '--format', '{{.Names}} {{.State}} {{.Image}}']),
      'box running localhost/busybox:latest\n',
    );
    t.is(await cli.ok(['inspect', '-f', '{{.Driver}}', 'box']), `${driver}\n`);
    t.is(await cli.ok(['exec', 'box', 'ls', '/made']), '/made\n');
    t.is((await cli.run(['exec', id.slice(0, 12), 'sh', '-c', 'exit 5'])).code, 5);
    t.is((await cli.run(['rm', 'box'])).code, 1);
    t.is(await cli.ok(['stop', '-t', '5', 'box']), 'box\n');
    t.is(await cli.ok(['wait', 'box']), '3\n');
    t.is(await cli.ok(['logs', 'box']), 'up\nbye\n');
    t.regex(await cli.ok(['ps', '-a', '--format', '{{.Status}}']), /^Exited \(3\) /);
    t.is(await cli.ok(['rm', 'box']), 'box\n');
    t.is(await cli.ok(['ps', '-aq']), '');
  });

  testWith(missing, `${driver}: exit codes are the container's, or say why it did not start`, async (t) => {
    const cli = await withBusybox(t);
    const code = async (...words: string[]): Promise<number | null> =>
      (await cli.run(['--storage-driver', driver, 'run', ...quiet, 'busybox', ...words])).code;
    t.is(await code('true'), 0);
    t.is(await code('sh', '-c', 'exit 42'), 42);
    t.is(await code('sh', '-c', 'sh -c "kill -9 \\$\\$"; exit $?'), 137);
    t.is(await code('nosuch'), 127);
    t.is(await code('/nosuch'), 127);
    t.is(await code('/etc/passwd'), 126);
    t.is(await code('/etc'), 126);
  });
}

testWith(needs, 'the process is what the options and the image say', async (t) => {
  const cli = await withBusybox(t);
  const run = (...words: string[]): Promise<string> => cli.ok(['run', ...quiet, ...words]);
  writeFileSync(join(cli.directory, 'env'), '# comment\nC=3\nHOST_ONLY\n\nD=x=y\n');
  const env = { HOST_ONLY: 'h', TAKEN: 't' };
  const flags = [
    '-e',
    'A=1',
    '-eB=2',
    '-e',
    'TAKEN',
    '-e',
    'UNSET_HERE',
    '--env-file',
    join(cli.directory, 'env'),
  ];
  const shown = await cli.ok(['run', ...quiet, ...flags, 'busybox', 'env'], { env });
  const names = shown.split('\n').filter((line) => /^(A|B|C|D|TAKEN|UNSET_HERE|HOST_ONLY)=/.test(line));
  t.deepEqual(names.sort(), ['A=1', 'B=2', 'C=3', 'D=x=y', 'HOST_ONLY=h', 'TAKEN=t']);
  t.is(await run('-w', '/var/www', 'busybox', 'pwd'), '/var/www\n');
  t.is(await run('-u', 'www', 'busybox', 'id', '-un'), 'www\n');
  t.is(await run('-u', '1234:5678', 'busybox', 'sh', '-c', 'echo $(id -u):$(id -g)'), '1234:5678\n');
  t.is(await run('--hostname', 'boat', 'busybox', 'hostname'), 'boat\n');
  t.is(
    await run('-h', 'boat', '--add-host', 'sea:10.1.2.3', 'busybox', 'grep', 'sea', '/etc/hosts'),
    '10.1.2.3\tsea\n',
  );
  t.is(await run('--entrypoint', 'echo', 'busybox', 'a', '-n'), 'a -n\n');
  t.is(await run('--entrypoint', '["echo","-n"]', 'busybox', 'a'), 'a');
  t.is(await run('--umask', '077', 'busybox', 'sh', '-c', 'umask'), '0077\n');
  t.is(await run('--ulimit', 'nofile=100:200', 'busybox', 'sh', '-c', 'ulimit -n; ulimit -Hn'), '100\n200\n');
  t.is(
    await run('--cap-drop', 'ALL', 'busybox', 'grep', 'CapPrm', '/proc/self/status'),
    'CapPrm:\t0000000000000000\n',
  );
  t.is(
    await run('--security-opt', 'no-new-privileges', 'busybox', 'grep', 'NoNewPrivs', '/proc/self/status'),
    'NoNewPrivs:\t1\n',
  );
  t.is(await run('busybox', 'grep', 'Seccomp:', '/proc/self/status'), 'Seccomp:\t2\n');
  t.is(
    await run('--security-opt', 'seccomp=unconfined', 'busybox', 'grep', 'Seccomp:', '/proc/self/status'),
    'Seccomp:\t0\n',
  );
  t.regex(await run('--init', 'busybox', 'sh', '-c', 'echo $$'), /^[^1]\d*\n$/);
});

testWith(
  needs,
  'standard input goes in where it is asked for, and a gigantic line comes out whole',
  async (t) => {
    const cli = await withBusybox(t);
    const run = ['run', ...quiet];
    t.is(await cli.ok([...run, '-i', 'busybox', 'cat'], { input: 'over\nthe pipe' }), 'over\nthe pipe');
    t.is(await cli.ok([...run, 'busybox', 'cat'], { input: 'ignored' }), '');
    const big = await cli.ok([...run, 'busybox', 'sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x']);
    t.is(big.length, 3_000_000);
    const { stdout, stderr } = await cli.run([...run, 'busybox', 'sh', '-c', 'echo out; echo err >&2']);
    t.deepEqual([stdout, stderr], ['out\n', 'err\n']);
  },
);

testWith(needs, 'volumes keep, binds share, tmpfs forgets, a read-only root refuses', async (t) => {
  const cli = await withBusybox(t);
  const run = (...words: string[]): Promise<string> => cli.ok(['run', ...quiet, ...words]);
  const shared = join(cli.directory, 'shared');
  mkdirSync(shared);
  writeFileSync(join(shared, 'in'), 'from outside');
  t.is(
    await run('-v', `${shared}:/s`, 'busybox', 'sh', '-c', 'cat /s/in; echo -n inside > /s/out'),
    'from outside',
  );
  t.is(readFileSync(join(shared, 'out'), 'utf8'), 'inside');
  t.not((await cli.run(['run', ...quiet, '-v', `${shared}:/s:ro`, 'busybox', 'touch', '/s/x'])).code, 0);
  await run('-v', 'data:/d', 'busybox', 'sh', '-c', 'echo kept > /d/f');
  t.is(await run('--mount', 'type=volume,source=data,target=/e', 'busybox', 'cat', '/e/f'), 'kept\n');
  t.is(
    await run('-v', 'filled:/etc', 'busybox', 'sh', '-c', 'test -s /etc/passwd && echo copied'),
    'copied\n',
  );
  t.is(await run('--tmpfs', '/t:size=1m', 'busybox', 'sh', '-c', 'stat -f -c %T /t'), 'tmpfs\n');
  const readonly = await cli.run([
    'run',
    ...quiet,
    '--read-only',
    'busybox',
    'sh',
    '-c',
    'touch /tmp/ok && touch /no',
  ]);
  t.is(readonly.code, 1);
  t.regex(readonly.stderr, /\/no: Read-only file system/);
});

testWith(networked, 'a published port is reached from the host, and a taken one is named', async (t) => {
  const cli = await withBusybox(t);
  const serve = 'mkdir /w && echo ahoy > /w/index.html && exec httpd -f -p 80 -h /w';
  await cli.ok(['run', '-d', '--name', 'web', '-p', '127.0.0.1::80', 'busybox', 'sh', '-c', serve]);
  const [, port = ''] = /:(\d+)->80/.exec(await cli.ok(['ps', '--format', '{{.Ports}}'])) ?? [];
  const page = await eventually(async () => {
    try {
      return await (await fetch(`http://127.0.0.1:${port}/`)).text();
    } catch (error) {
      if (error instanceof TypeError) return undefined;
      throw error;
    }
  });
  t.is(page, 'ahoy\n');
  const { code, stderr } = await cli.run([
    'run',
    '-d',
    '--name',
    'two',
    '-p',
    `127.0.0.1:${port}:80`,
    'busybox',
    'true',
  ]);
  t.is(code, 125);
  t.regex(stderr, new RegExp(`${port}.*address already in use\nhint: choose another host port`));
  await cli.ok(['rm', '-f', 'web', 'two']);
  const server = createServer().listen(Number(port), '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  server.close();
});

testWith(needs, 'a name is taken once, and a cidfile and labels tell a container apart', async (t) => {
  const cli = await withBusybox(t);
  const file = join(cli.directory, 'cid');
  const id = (
    await cli.ok([
      'run',
      '-d',
      '--name',
      'one',
      '--cidfile',
      file,
      '-l',
      'role=db',
      '--network',
      'none',
      'busybox',
      'sleep',
      '100',
    ])
  ).trim();
  t.is(readFileSync(file, 'utf8'), id);
  const again = await cli.run(['run', '--name', 'one', '--network', 'none', 'busybox', 'true']);
  t.is(again.code, 125);
  t.regex(
    again.stderr,
    new RegExp(`name container one: the name is used by ${id.slice(0, 12)}\nhint: remove it`),
  );
  const taken = await cli.run(['run', '--cidfile', file, '--network', 'none', 'busybox', 'true']);
  t.is(taken.code, 125);
  t.regex(taken.stderr, /cidfile: it exists/);
  const gone = join(cli.directory, 'gone');
  t.is((await cli.run(['run', '--cidfile', gone, '--name', 'one', 'busybox', 'true'])).code, 125);
  t.false(existsSync(gone));
  t.is(await cli.ok(['ps', '-q', '--no-trunc', '--filter', 'label=role=db']), `${id}\n`);
  t.is(await cli.ok(['ps', '-q', '--filter', 'label=role=web']), '');
  t.is(
    await cli.ok(['ps', '-q', '--filter', 'name=on', '--filter', 'status=running']),
    `${id.slice(0, 12)}\n`,
  );
  const [row] = JSON.parse(await cli.ok(['ps', '--format', 'json']));
  t.deepEqual([row.Names, row.State, row.Networks], ['one', 'running', 'none']);
  await cli.ok(['rm', '-f', '-t', '0', 'one']);
});

testWith(needs, 'logs follow to the end, tail counts lines, times are told', async (t) => {
  const cli = await withBusybox(t);
  await cli.ok([
    'run',
    '-d',
    '--name',
    'talk',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    'for i in 1 2 3 4 5; do echo line $i; sleep 0.1; done; echo last >&2',
  ]);
  t.is(await cli.ok(['logs', '-f', 'talk']), 'line 1\nline 2\nline 3\nline 4\nline 5\n');
  const { stdout, stderr } = await cli.run(['logs', '--tail', '2', 'talk']);
  t.deepEqual([stdout, stderr], ['line 5\n', 'last\n']);
  t.regex(await cli.ok(['logs', '-t', '-n', '2', 'talk']), /^\d{4}-\d\d-\d\dT[\d:.]+Z line 5\n$/);
  t.is(await cli.ok(['logs', '--since', '2100-01-01', 'talk']), '');
  await cli.ok([
    'run',
    '-d',
    '--name',
    'mute',
    '--log-driver',
    'none',
    '--network',
    'none',
    'busybox',
    'echo',
    'x',
  ]);
  t.regex((await cli.run(['logs', 'mute'])).stderr, /it was made with --log-driver none/);
});

testWith(needs, 'exec has its own user, directory, environment, streams and exit code', async (t) => {
  const cli = await withBusybox(t);
  await cli.ok(['run', '-d', '--name', 'box', '-e', 'A=1', '--network', 'none', 'busybox', 'sleep', '100']);
  t.is(
    await cli.ok([
      'exec',
      '-u',
      'www',
      '-w',
      '/var',
      '-e',
      'B=2',
      'box',
      'sh',
      '-c',
      'echo $(id -un) $PWD $A$B',
    ]),
    'www /var 12\n',
  );
  t.is(await cli.ok(['exec', '-i', 'box', 'cat'], { input: 'piped' }), 'piped');
  t.is((await cli.run(['exec', 'box', 'nosuch'])).code, 127);
  t.is((await cli.run(['exec', 'box', '/etc/passwd'])).code, 126);
  await cli.ok(['exec', '-d', 'box', 'sh', '-c', 'echo done > /tmp/f; sleep 100']);
  await eventually(async () =>
    (await cli.run(['exec', 'box', 'cat', '/tmp/f'])).stdout === 'done\n' ? true : undefined,
  );
  await cli.ok(['kill', '-s', 'KILL', 'box']);
  t.is(await cli.ok(['wait', 'box']), '137\n');
  const late = await cli.run(['exec', 'box', 'true']);
  t.is(late.code, 125);
  t.regex(late.stderr, /exec in container box: it is not running \(exited\)/);
});

testWith(
  needs,
  'a terminal is one inside too, keeps its size, and detaching leaves the container running',
  async (t) => {
    const cli = await withBusybox(t);
    const terminal = cli.terminal(['run', '-it', '--name', 'tty', '--network', 'none', 'busybox'], {
      rows: 30,
      columns: 100,
    });
    await terminal.waitFor('# ');
    terminal.write('stty size; test -t 0 && echo it is $((40+2))\r');
    await terminal.waitFor('30 100');
    await terminal.waitFor('it is 42');
    terminal.write('\x10\x11');
    t.is((await terminal.exit).code, 0);
    t.is(await cli.ok(['ps', '--format', '{{.Names}} {{.State}}']), 'tty running\n');
    const inside = cli.terminal(['exec', '-it', 'tty', 'sh', '-c', 'tty; exit 7']);
    await inside.waitFor(/\/dev\/pts\/\d/);
    t.is((await inside.exit).code, 7);
    await cli.ok(['rm', '-f', '-t', '0', 'tty']);
  },
);

testWith(needs, 'on-failure starts a container again as often as it says', async (t) => {
  const cli = await withBusybox(t);
  await cli.ok([
    'run',
    '-d',
    '--name',
    'again',
    '--restart',
    'on-failure:2',
    '--network',
    'none',
    'busybox',
    'sh',
    '-c',
    'echo try; exit 9',
  ]);
  t.is(await cli.ok(['wait', 'again']), '9\n');
  t.is(await cli.ok(['logs', 'again']), 'try\ntry\ntry\n');
});
