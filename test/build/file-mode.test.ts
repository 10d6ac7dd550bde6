import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseModeChange } from '../../lib/build/file-mode.js';
import { CoracleError } from '../../lib/errors.js';
import { temporaryDirectory } from '../helpers/host.js';

const changes = test.macro((t, text: string, rows: readonly (readonly [number, boolean, number])[]) => {
  const change = parseModeChange(text);
  for (const [mode, isDirectory, expected] of rows) {
    t.is(change.apply(mode, isDirectory).toString(8), expected.toString(8), `${text} on ${mode.toString(8)}`);
  }
});

test('an octal mode replaces all bits', changes, '0755', [
  [0o644, false, 0o755],
  [0o4700, true, 0o755],
]);
test('four digits set the special bits', changes, '4755', [[0o644, false, 0o4755]]);
test('X means directories and what is executable already', changes, 'u=rwX,go=rX', [
  [0o600, false, 0o644],
  [0o700, false, 0o755],
  [0o700, true, 0o755],
]);
test('without a who everybody is meant, whatever the umask', changes, '+x', [[0o644, false, 0o755]]);
test('no umask holds back writing', changes, '+w', [[0o444, false, 0o666]]);
test('several operations on one who', changes, 'g+w-x', [[0o755, false, 0o765]]);
test('the rights of others are copied as they are at that moment', changes, 'u=rwx,go=u,o-w', [
  [0o600, false, 0o775],
]);
test('an empty set takes everything away', changes, 'go=', [[0o777, false, 0o700]]);
test('set-id and sticky bits', changes, 'u+s,g+s,+t', [[0o755, false, 0o7755]]);

const refuses = test.macro((t, text: string) => {
  t.is(t.throws(() => parseModeChange(text), { instanceOf: CoracleError })?.code, 'INVALID');
});
for (const text of ['888', '10000', 'u', 'u+y', 'rwx', 'u=rwx,', '', 'z+x', '7 5', '0o755'])
  test(`${JSON.stringify(text)} is no mode`, refuses, text);

test('files and directories come out as chmod(1) makes them', (t) => {
  const directory = temporaryDirectory(t);
  const [file, folder] = [join(directory, 'f'), join(directory, 'd')];
  writeFileSync(file, '');
  mkdirSync(folder);
  const texts = [
    'u=rwX,go=rX',
    '+x',
    'a-w',
    'go=u',
    'o=g,u+x',
    'u+s',
    'g=rx,o=',
    'a=r',
    '=',
    'a+rX,u-x',
    '-X',
    'ug=rwX',
  ];
  for (const text of texts) {
    for (const mode of [0o600, 0o644, 0o755, 0o700, 0o4751, 0o20, 0o511]) {
      for (const path of [file, folder]) {
        chmodSync(path, mode);
        // The umask of the helper shell is what BuildKit's daemon has.
        const { status } = spawnSync('sh', ['-c', 'umask 0; exec chmod -- "$1" "$2"', 'sh', text, path]);
        t.is(status, 0);
        const expected = statSync(path).mode & 0o7777;
        t.is(
          parseModeChange(text)
            .apply(mode, path === folder)
            .toString(8),
          expected.toString(8),
          `${text} on ${mode.toString(8)} of ${path}`,
        );
      }
    }
  }
});
