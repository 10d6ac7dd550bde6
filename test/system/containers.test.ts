/** Containers from run to rm, as an unprivileged user, over all three storage drivers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const quiet = ['--rm', '--network', 'none'];

const drivers = [
  { driver: 'overlay', missing: journeyNeeds },
  {
    driver: 'fuse-overlayfs',
    missing: [...journeyNeeds, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')],
  },
  { driver: 'copy', missing: journeyNeeds },
];

for (const { driver, missing } of drivers) {
  testWith(
    missing,
    `${driver}: a container has the image's files, its own changes, and leaves nothing`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
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
    const cli = await openCliWithBusybox(t);
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
    t.is((await cli.run(['rm', 'box'])).code, 2);
    t.is(await cli.ok(['stop', '-t', '5', 'box']), 'box\n');
    t.is(await cli.ok(['wait', 'box']), '3\n');
    t.is(await cli.ok(['logs', 'box']), 'up\nbye\n');
    t.regex(await cli.ok(['ps', '-a', '--format', '{{.Status}}']), /^Exited \(3\) /);
    t.is(await cli.ok(['rm', 'box']), 'box\n');
    t.is(await cli.ok(['ps', '-aq']), '');
  });

  testWith(missing, `${driver}: exit codes are the container's, or say why it did not start`, async (t) => {
    const cli = await openCliWithBusybox(t);
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

testWith(journeyNeeds, 'a name is taken once, and a cidfile and labels tell a container apart', async (t) => {
  const cli = await openCliWithBusybox(t);
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

testWith(journeyNeeds, 'logs follow to the end, tail counts lines, times are told', async (t) => {
  const cli = await openCliWithBusybox(t);
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

testWith(journeyNeeds, 'exec has its own user, directory, environment, streams and exit code', async (t) => {
  const cli = await openCliWithBusybox(t);
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
  journeyNeeds,
  'a terminal is one inside too, keeps its size, and detaching leaves the container running',
  async (t) => {
    const cli = await openCliWithBusybox(t);
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

testWith(journeyNeeds, 'on-failure starts a container again as often as it says', async (t) => {
  const cli = await openCliWithBusybox(t);
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
