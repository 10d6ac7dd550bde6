/** What a container's files look like from outside: cp, diff, export and commit, over all three storage drivers. */
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { type Cli, runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';
import { missingDevice, missingProgram } from '../helpers/host.js';

const network = ['--network', 'none'];
const drivers = [
  { driver: 'overlay', missing: journeyNeeds },
  {
    driver: 'fuse-overlayfs',
    missing: [...journeyNeeds, missingProgram('fuse-overlayfs'), missingDevice('/dev/fuse')],
  },
  { driver: 'copy', missing: journeyNeeds },
];

const script = `echo changed >> /etc/passwd; rm /etc/group; mkdir /new; echo x > /new/f; ln /new/f /new/g
  rm -r /var/www; mkdir /var/www; echo kept > /data/v; touch /ready; exec sleep 1000`;

async function startChanged(cli: Cli, driver: string): Promise<void> {
  const options = ['-d', '--name', 'box', '-v', 'vol:/data', ...network];
  await cli.ok(['--storage-driver', driver, 'run', ...options, 'busybox', 'sh', '-c', script]);
  await eventually(
    async () => (await cli.run(['exec', 'box', 'test', '-e', '/ready'])).code === 0 || undefined,
  );
}

for (const { driver, missing } of drivers) {
  testWith(missing, `${driver}: diff tells changes, running or not`, async (t) => {
    const cli = await openCliWithBusybox(t);
    await startChanged(cli, driver);
    const running = await cli.ok(['diff', 'box']);
    await cli.ok(['stop', '-t', '0', 'box']);
    const lines = (await cli.ok(['diff', 'box'])).split('\n');
    t.deepEqual(running.split('\n'), lines);
    for (const line of [
      'C /etc',
      'C /etc/passwd',
      'D /etc/group',
      'A /new',
      'A /new/f',
      'A /new/g',
      'A /ready',
    ]) {
      t.true(lines.includes(line), line);
    }
    t.false(
      lines.some((line) => line.includes('/bin')),
      lines.join('\n'),
    );
    const json = JSON.parse(await cli.ok(['diff', '--format', 'json', 'box'])) as { deleted: string[] };
    t.deepEqual(json.deleted, ['/etc/group']);
  });

  testWith(
    missing,
    `${driver}: the files of a paused container are there, its processes stand still`,
    async (t) => {
      const cli = await openCliWithBusybox(t);
      await startChanged(cli, driver);
      const before = await cli.ok(['diff', 'box']);
      await cli.ok(['pause', 'box']);
      writeFileSync(join(cli.directory, 'given'), 'given\n');
      await cli.ok(['cp', join(cli.directory, 'given'), 'box:/new/given']);
      await cli.ok(['cp', 'box:/new/given', join(cli.directory, 'back')]);
      t.is(readFileSync(join(cli.directory, 'back'), 'utf8'), 'given\n');
      t.is(await cli.ok(['diff', 'box']), before.replace('A /new/g\n', 'A /new/g\nA /new/given\n'));
      await cli.ok(['export', '-o', join(cli.directory, 'paused.tar'), 'box']);
      const tar = await runProgram('tar', ['-tf', join(cli.directory, 'paused.tar'), 'new/given']);
      t.is(tar.stdout, 'new/given\n');
      t.regex(await cli.ok(['top', 'box', 'user', 'args']), /^root +sleep 1000$/m);
      const refused = await cli.run(['exec', 'box', 'true']);
      t.regex(refused.stderr, /^coracle: exec in container box: it is not running \(paused\)\n/);
      await cli.ok(['unpause', 'box']);
      t.is(await cli.ok(['exec', 'box', 'cat', '/new/given']), 'given\n');
    },
  );

  testWith(missing, `${driver}: export and commit hold the files, without mounts`, async (t) => {
    const cli = await openCliWithBusybox(t);
    await startChanged(cli, driver);
    await cli.ok(['export', '-o', join(cli.directory, 'live.tar'), 'box']);
    const live = await cli.ok(['commit', '-c', 'CMD ["cat","/new/f"]', 'box', 'live']);
    t.regex(live, /^sha256:[0-9a-f]{64}\n$/);
    await cli.ok(['stop', '-t', '0', 'box']);
    await cli.ok(['export', '-o', join(cli.directory, 'rest.tar'), 'box']);
    await cli.ok(['commit', '-m', 'at rest', '-a', 'a user', 'box', 'rest']);
    for (const name of ['live', 'rest']) {
      const { stdout } = await runProgram('tar', ['tf', join(cli.directory, `${name}.tar`)]);
      const paths = stdout.split('\n');
      t.true(paths.includes('new/f') && paths.includes('bin/busybox') && paths.includes('data/'), name);
      t.false(
        paths.some((path) => path === 'etc/group' || path === 'data/v' || /^proc\/./.test(path)),
        name,
      );
      const look = 'cat /new/f; test ! -e /etc/group && ls -a /var/www; ls /data; stat -c %h /new/g';
      t.is(await cli.ok(['run', '--rm', ...network, name, 'sh', '-c', look]), 'x\n.\n..\n2\n');
    }
    t.is(await cli.ok(['run', '--rm', ...network, 'live']), 'x\n');
    const history = JSON.parse(await cli.ok(['inspect', '-f', '{{json .History}}', 'rest'])) as {
      comment?: string;
    }[];
    t.is(history.at(-1)?.comment, 'at rest');
  });

  testWith(missing, `${driver}: cp goes in and out, running or not`, async (t) => {
    const cli = await openCliWithBusybox(t);
    await startChanged(cli, driver);
    const here = join(cli.directory, 'here');
    mkdirSync(join(here, 'dir'), { recursive: true });
    writeFileSync(join(here, 'dir', 'one'), '1');
    writeFileSync(join(here, 'file'), 'content');
    symlinkSync('/etc/passwd', join(here, 'dir', 'link'));
    for (const state of ['running', 'stopped']) {
      const cp = (from: string, to: string): Promise<string> => cli.ok(['cp', from, to], { cwd: here });
      if (state === 'stopped') await cli.ok(['stop', '-t', '0', 'box']);
      await cp('file', `box:/tmp/${state}`);
      await cp('dir', `box:/data/${state}`);
      await cp('dir/.', `box:/new/${state}`);
      await cp(`box:/tmp/${state}`, `back-${state}`);
      await cp(`box:/data/${state}`, `data-${state}`);
      await cp('box:data/v', '.');
      await cp('box:/new', `new-${state}`);
      t.is(readFileSync(join(here, `back-${state}`), 'utf8'), 'content');
      t.deepEqual(readdirSync(join(here, `data-${state}`)).sort(), ['link', 'one']);
      t.is(readFileSync(join(here, 'v'), 'utf8'), 'kept\n');
      t.is(readFileSync(join(here, `new-${state}`, state, 'one'), 'utf8'), '1');
    }
    await cli.ok(['start', 'box']);
    const owners = await cli.ok(['exec', 'box', 'stat', '-c', '%u:%g', '/tmp/running', '/data/stopped/one']);
    t.is(owners, '0:0\n0:0\n');
  });
}

testWith(journeyNeeds, 'cp follows docker where the destination is there or not', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['run', '-d', '--name', 'box', ...network, 'busybox', 'sleep', '1000']);
  await cli.ok(['run', '-d', '--name', 'two', ...network, 'busybox', 'sleep', '1000']);
  const here = join(cli.directory, 'here');
  mkdirSync(join(here, 'dir', 'sub'), { recursive: true });
  writeFileSync(join(here, 'dir', 'sub', 'f'), 'f');
  writeFileSync(join(here, 'file'), 'file');
  const cp = (...words: string[]): ReturnType<Cli['run']> => cli.run(['cp', ...words], { cwd: here });
  const list = (path: string): Promise<string> => cli.ok(['exec', 'box', 'find', path]);
  t.is((await cp('dir', 'box:/tmp/made')).code, 0);
  t.is(await list('/tmp/made'), '/tmp/made\n/tmp/made/sub\n/tmp/made/sub/f\n');
  t.is((await cp('dir', 'box:/tmp/made')).code, 0);
  t.is(await list('/tmp/made/dir'), '/tmp/made/dir\n/tmp/made/dir/sub\n/tmp/made/dir/sub/f\n');
  t.is((await cp('box:/tmp/made', 'two:/tmp')).code, 0);
  t.is(await cli.ok(['exec', 'two', 'cat', '/tmp/made/sub/f']), 'f');
  const bad = [
    [['file', 'box:/none/'], /no such directory/],
    [['file', 'box:/none/x'], /no such directory/],
    [['nothing', 'box:/tmp'], /no such file/],
    [['box:/nothing', '.'], /no such file/],
    [['dir', 'box:/etc/passwd'], /one is a directory, the other is not/],
    [['file/', 'box:/tmp'], /it is no directory/],
    [['file', 'dir'], /neither end is a container/],
    [['file', 'gone:/tmp'], /no such container/],
  ] as const;
  for (const [words, reason] of bad) {
    const { code, stderr } = await cp(...words);
    t.not(code, 0, words.join(' '));
    t.regex(stderr, reason);
  }
  const tar = await runProgram('sh', ['-c', 'tar cz dir'], { cwd: here });
  t.is(tar.code, 0);
  const packed = join(here, 'packed.tgz');
  await runProgram('tar', ['czf', packed, 'dir'], { cwd: here });
  t.is((await cli.run(['cp', '-', 'box:/home'], { input: readFileSync(packed) })).code, 0);
  t.is(await list('/home/dir/sub/f'), '/home/dir/sub/f\n');
  const out = await runProgram(
    'sh',
    ['-c', `"$0" --root "$1" cp box:/home/dir - | tar t`, 'dist/coracle', cli.root],
    {
      env: cli.env,
    },
  );
  t.is(out.stdout, 'dir/\ndir/sub/\ndir/sub/f\n');
});

testWith(journeyNeeds, 'S34: a container that swaps directories for links leads no cp outside', async (t) => {
  const cli = await openCliWithBusybox(t);
  const outside = join(cli.directory, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'sentinel'), 'untouched');
  const swap = `mkdir -p /swap/d; while :; do mv /swap/d /swap/x; ln -s ${outside} /swap/d; rm /swap/d; mv /swap/x /swap/d; done`;
  await cli.ok(['run', '-d', '--name', 'box', ...network, 'busybox', 'sh', '-c', swap]);
  writeFileSync(join(cli.directory, 'file'), 'from the host');
  const outcomes = { done: 0, refused: 0 };
  for (let round = 0; round < 60; round++) {
    const copied = await cli.run(['cp', join(cli.directory, 'file'), 'box:/swap/d/sentinel']);
    if (copied.code === 0) outcomes.done++;
    else outcomes.refused++;
    await cli.run(['cp', 'box:/swap/d/sentinel', join(cli.directory, 'back')]);
    // In between, the path may name a directory of the container's; nothing of it is from outside.
    const back = join(cli.directory, 'back');
    const found = (await runProgram('find', [back, '-type', 'f', '-exec', 'cat', '{}', '+'])).stdout;
    t.true(['', 'from the host'].includes(found), found);
    rmSync(back, { recursive: true, force: true });
  }
  t.log(`${outcomes.done} copied, ${outcomes.refused} refused`);
  t.true(outcomes.done > 0);
  t.is(readFileSync(join(outside, 'sentinel'), 'utf8'), 'untouched');
  t.deepEqual(readdirSync(outside), ['sentinel']);
});
