import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { runProgram } from './cli.js';
import { testWith } from './declare.js';
import {
  fixturePath,
  missingProgram,
  missingUserNamespaces,
  removeTree,
  temporaryDirectory,
} from './host.js';
import { makeTar, missingBusybox, writeBusyboxTar } from './image.js';
import { openTerminal } from './terminal.js';

test('fixtures are found from wherever the tests were compiled to', (t) => {
  t.true(existsSync(fixturePath('hello', 'Dockerfile')));
});

test('a hand-made tar is what GNU tar reads', async (t) => {
  const file = join(temporaryDirectory(t), 'x.tar');
  const long = 'd'.repeat(90);
  writeFileSync(
    file,
    makeTar([
      { name: 'dir', type: 'directory', mode: 0o1777, uid: 1, gid: 2 },
      { name: 'dir/file', content: 'abc', mode: 0o4755 },
      { name: long, type: 'symlink', link: 'dir/file' },
      { name: 'hard', type: 'hardlink', link: 'dir/file' },
    ]),
  );
  const { stdout } = await runProgram('tar', ['--numeric-owner', '-tvf', file], { env: { TZ: 'UTC' } });
  t.deepEqual(
    stdout.split('\n').map((line) => line.replace(/ +/g, ' ')),
    [
      'drwxrwxrwt 1/2 0 2023-11-14 22:13 dir/',
      '-rwsr-xr-x 0/0 3 2023-11-14 22:13 dir/file',
      `lrw-r--r-- 0/0 0 2023-11-14 22:13 ${long} -> dir/file`,
      'hrw-r--r-- 0/0 0 2023-11-14 22:13 hard link to dir/file',
      '',
    ],
  );
});

testWith([missingBusybox()], 'the busybox tar holds a shell and accounts', async (t) => {
  const directory = temporaryDirectory(t);
  const file = writeBusyboxTar(join(directory, 'b.tar'), [{ name: 'etc/motd', content: 'hi\n' }]);
  t.is((await runProgram('tar', ['-xf', file, '-C', directory])).code, 0);
  const shell = join(directory, 'bin', 'busybox');
  t.like(await runProgram(shell, ['sh', '-c', `cat ${directory}/etc/motd`]), { code: 0, stdout: 'hi\n' });
});

testWith(
  [missingUserNamespaces(), missingProgram('unshare')],
  'a tree with files of subordinate ids is removed',
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'c-'));
    const script = `mkdir -p ${directory}/a/b && chown -R 33:33 ${directory}/a && chmod 700 ${directory}/a`;
    const made = await runProgram('unshare', ['--user', '--map-root-user', '--map-auto', 'sh', '-c', script]);
    t.like(made, { code: 0, stderr: '' });
    removeTree(directory);
    t.false(existsSync(directory));
  },
);

test('a program that hangs is killed and reported with what it printed and waited for', async (t) => {
  const error = await t.throwsAsync(runProgram('sh', ['-c', 'echo before; sleep 60'], { timeout: 300 }));
  t.regex(error.message, /still running after 300 ms\n +PID [\s\S]* \S*sleep\S* +sleep 60\nstdout: before/);
});

test('a program whose pipes others keep open is reported, too', async (t) => {
  const script = 'setsid sleep 2 & echo before';
  const error = await t.throwsAsync(runProgram('sh', ['-c', script], { timeout: 300 }));
  t.regex(error.message, /still running after 300 ms\n.*PID.*\nstdout: before/);
});

test('a terminal shows its size, passes input and tells the exit code', async (t) => {
  const script =
    'stty size; trap "stty size; exit 7" WINCH; read line; echo got $line; while :; do sleep 0.05; done';
  const terminal = openTerminal('sh', ['-c', script], {
    rows: 45,
    columns: 123,
    env: { PATH: process.env.PATH },
  });
  await terminal.waitFor('45 123');
  terminal.write('word\r');
  await terminal.waitFor(/got word/);
  terminal.resize(100, 30);
  await terminal.waitFor('30 100');
  t.deepEqual(await terminal.exit, { code: 7, signal: 0 });
});
