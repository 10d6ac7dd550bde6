/** What `run` makes of a container: its process, its files, its ports. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';
import { fetchText } from '../helpers/web.js';

const networked = [...journeyNeeds, missingProgram('pasta'), missingDevice('/dev/net/tun')];
const quiet = ['--rm', '--network', 'none'];

testWith(journeyNeeds, 'the process is what the options and the image say', async (t) => {
  const cli = await openCliWithBusybox(t);
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
  t.is(await run('--oom-score-adj', '500', 'busybox', 'cat', '/proc/self/oom_score_adj'), '500\n');
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
  journeyNeeds,
  'standard input goes in where it is asked for, and a gigantic line comes out whole',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    const run = ['run', ...quiet];
    t.is(await cli.ok([...run, '-i', 'busybox', 'cat'], { input: 'over\nthe pipe' }), 'over\nthe pipe');
    t.is(await cli.ok([...run, 'busybox', 'cat'], { input: 'ignored' }), '');
    const big = await cli.ok([...run, 'busybox', 'sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x']);
    t.is(big.length, 3_000_000);
    const { stdout, stderr } = await cli.run([...run, 'busybox', 'sh', '-c', 'echo out; echo err >&2']);
    t.deepEqual([stdout, stderr], ['out\n', 'err\n']);
  },
);

testWith(journeyNeeds, 'volumes keep, binds share, tmpfs forgets, a read-only root refuses', async (t) => {
  const cli = await openCliWithBusybox(t);
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
  const cli = await openCliWithBusybox(t);
  const serve = 'mkdir /w && echo ahoy > /w/index.html && exec httpd -f -p 80 -h /w';
  await cli.ok(['run', '-d', '--name', 'web', '-p', '127.0.0.1::80', 'busybox', 'sh', '-c', serve]);
  const [, port = ''] = /:(\d+)->80/.exec(await cli.ok(['ps', '--format', '{{.Ports}}'])) ?? [];
  const page = await eventually(() => fetchText(`http://127.0.0.1:${port}/`));
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
  t.regex(stderr, new RegExp(`${port}.*address in use\nhint: choose another host port`));
  t.is(
    await cli.ok(['ps', '-aq', '--filter', 'name=two']),
    '',
    'a run that could not start leaves no container',
  );
  await cli.ok(['rm', '-f', 'web']);
});

testWith(
  journeyNeeds,
  'a run whose process cannot be executed leaves no container, a created one keeps why',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    for (const [program, code] of [
      ['nosuch', 127],
      ['/etc/passwd', 126],
    ] as const) {
      for (const mode of [[], ['-d']]) {
        const run = await cli.run(['run', ...mode, '--name', 'x', '--network', 'none', 'busybox', program]);
        t.is(run.code, code, run.stderr);
        t.regex(run.stderr, /^coracle: execute .*(not found in PATH|permission denied)/);
      }
    }
    t.is(await cli.ok(['ps', '-aq']), '');
    await cli.ok(['create', '--name', 'x', '--network', 'none', 'busybox', 'nosuch']);
    t.is((await cli.run(['start', 'x'])).code, 127);
    t.regex(
      await cli.ok(['inspect', '--format', '{{.State.Error}}', 'x']),
      /^execute nosuch: not found in PATH/,
    );
    await cli.ok(['run', '--name', 'y', '--network', 'none', 'busybox', 'true']);
    t.is(await cli.ok(['ps', '-a', '--format', '{{.Names}}']), 'y\nx\n');
  },
);

testWith(journeyNeeds, 'a terminal with input is refused where there is none to read from', async (t) => {
  const cli = await openCliWithBusybox(t);
  const run = await cli.run(['run', '-it', ...quiet, 'busybox', 'true'], { input: 'x' });
  t.is(run.code, 1);
  t.regex(run.stderr, /not a TTY\nhint: leave -t out/);
  t.is(await cli.ok(['ps', '-aq']), '');
  t.is(await cli.ok(['run', '-i', ...quiet, 'busybox', 'cat'], { input: 'x' }), 'x');
});
