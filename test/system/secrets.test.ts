/** Secrets reach their containers and nothing else: no layer, image, record or message. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { journeyNeeds, openCliWithBusybox } from '../helpers/busybox.js';
import { runProgram } from '../helpers/cli.js';
import { testWith } from '../helpers/declare.js';

const network = ['--network', 'none'];
const [first, second] = ['first-VALUE-4711', 'second-VALUE-4711'];

testWith(journeyNeeds, 'a secret is made, told of without its value, replaced and removed', async (t) => {
  const cli = await openCliWithBusybox(t);
  t.regex(await cli.ok(['secret', 'create', '-l', 'a=b', 'one', '-'], { input: first }), /^[0-9a-f]{25}\n$/);
  await cli.ok(['secret', 'create', '--env', 'two', 'WORD'], { env: { WORD: second } });
  const taken = await cli.run(['secret', 'create', 'one', '-'], { input: second });
  t.is(taken.code, 125);
  t.regex(taken.stderr, /there is one of this name/);
  t.is(await cli.ok(['secret', 'ls', '--format', '{{.Name}} {{.Driver}}']), 'one file\ntwo file\n');
  const told = await cli.ok(['secret', 'inspect', 'one', 'two']);
  t.false(told.includes('VALUE'));
  const show = ['secret', 'inspect', '--showsecret', '-f', '{{.SecretData}} {{.Spec.Labels.a}}'];
  t.is(await cli.ok([...show, 'one']), `${first} b\n`);
  await cli.ok(['secret', 'create', '--replace', '-l', 'a=c', 'one', '-'], { input: second });
  t.is(await cli.ok([...show, 'one']), `${second} c\n`);
  const modes = readdirSync(join(cli.root, 'secrets')).map(
    (name) => statSync(join(cli.root, 'secrets', name)).mode & 0o777,
  );
  t.deepEqual(modes, [0o600, 0o600]);
  t.is((await cli.run(['secret', 'exists', 'one'])).code, 0);
  t.is(await cli.ok(['__complete', 'secret', 'rm', 't']), 'two\n');
  t.is(await cli.ok(['__complete', 'run', '--secret', 'o']), 'one\n');
  await cli.ok(['secret', 'rm', '--all']);
  t.is((await cli.run(['secret', 'exists', 'one'])).code, 1);
  t.is((await cli.run(['secret', 'rm', 'one'])).code, 125);
  t.is(await cli.ok(['secret', 'rm', '--ignore', 'one']), '');
});

testWith(
  journeyNeeds,
  'a container has its secrets as files and variables, its image has none',
  async (t) => {
    const cli = await openCliWithBusybox(t);
    await cli.ok(['secret', 'create', 'one', '-'], { input: first });
    await cli.ok(['secret', 'create', 'two', '-'], { input: second });
    const uses = ['one', 'two,type=env,target=WORD', 'one,target=/etc/own,uid=5,gid=6,mode=0400'];
    await cli.ok([
      ...['run', '-d', '--name', 'box', ...network, ...uses.flatMap((use) => ['--secret', use])],
      ...[
        '--health-cmd',
        'test $(expr length $WORD) = 17 && test ! -e /proc/self/fd/5',
        '--health-interval',
        '1h',
      ],
      ...['busybox', 'sh', '-c', 'test -n "$WORD" && exec sleep 100'],
    ]);
    const script =
      'cat /run/secrets/one; stat -c " %a %u %g" /run/secrets/one /etc/own; cat /etc/own; echo " $WORD"';
    const shown = `${first} 444 0 0\n 400 5 6\n${first} ${second}\n`;
    t.is(await cli.ok(['exec', 'box', 'sh', '-c', script]), shown);
    t.is((await cli.run(['healthcheck', 'run', 'box'])).code, 0);
    await cli.ok(['update', '--health-cmd', 'test $(expr length $WORD) != 17', 'box']);
    t.is((await cli.run(['healthcheck', 'run', 'box'])).code, 1);
    // The copies are the container's: they outlive the secret and a restart.
    await cli.ok(['secret', 'rm', 'one', 'two']);
    await cli.ok(['restart', '-t', '0', 'box']);
    t.is(await cli.ok(['exec', 'box', 'sh', '-c', script]), shown);

    t.false((await cli.ok(['inspect', 'box'])).includes('-VALUE-4711"'));
    await cli.ok(['commit', 'box', 'made']);
    t.notRegex(await cli.ok(['inspect', 'made', '-f', '{{json .Config}}']), /VALUE|WORD=/);
    await cli.ok(['export', '-o', join(cli.directory, 'box.tar'), 'box']);
    await cli.ok(['save', '-o', join(cli.directory, 'made.tar'), 'made']);
    for (const archive of ['box.tar', 'made.tar']) {
      const found = await runProgram('grep', ['-c', first, join(cli.directory, archive)]);
      t.is(found.stdout, '0\n', archive);
    }
    const places = await runProgram('grep', ['-rlF', first, cli.root, cli.runtime]);
    t.true(
      places.stdout.split('\n').every((path) => path === '' || /\/secrets\/\d$/.test(path)),
      places.stdout,
    );
    t.true(places.stdout !== '');
  },
);

testWith(journeyNeeds, 'a use of a secret that cannot be is refused, and nothing is left', async (t) => {
  const cli = await openCliWithBusybox(t);
  await cli.ok(['secret', 'create', 'one', '-'], { input: 'a\0b' });
  const refused: readonly (readonly [string, RegExp])[] = [
    ['none', /no such secret/],
    ['one,type=env', /holds a NUL byte/],
    ['one,type=link', /type is mount or env/],
    ['one,type=env,mode=0400', /mode is for files/],
    ['one,colour=red', /no option colour/],
    ['one,mode=9', /no octal mode/],
  ];
  for (const [use, reason] of refused) {
    const { code, stderr } = await cli.run(['create', '--secret', use, ...network, 'busybox']);
    t.is(code, 125, use);
    t.regex(stderr, reason);
  }
  t.is(await cli.ok(['ps', '-aq']), '');
});
