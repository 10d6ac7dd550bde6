import { openSync } from 'node:fs';
import test from 'ava';
import { parseMoment } from '../../cmd/options/moment.js';
import { readPullPolicy } from '../../cmd/options/pull-policy.js';
import { readLog, readMode, readRestart } from '../../cmd/options/run-texts.js';
import { readAssignments, readFilters } from '../../cmd/options/texts.js';
import { formatSize, visible } from '../../cmd/terminal/output.js';
import { CoracleError, ioError, renderError } from '../../lib/errors.js';

const usage = { instanceOf: CoracleError, code: 'USAGE' } as const;
const now = Date.parse('2026-01-02T03:04:05Z');

test('a moment is a date, Unix seconds or an age', (t) => {
  t.is(parseMoment('2026-01-01T00:00:00Z', now), '2026-01-01T00:00:00.000Z');
  t.is(parseMoment('2026-01-01T02:00:00+02:00', now), '2026-01-01T00:00:00.000Z');
  t.is(parseMoment('1767225600', now), '2026-01-01T00:00:00.000Z');
  t.is(parseMoment('1767225600.5', now), '2026-01-01T00:00:00.500Z');
  t.is(parseMoment('10m', now), '2026-01-02T02:54:05.000Z');
  t.is(parseMoment('1h30m5s', now), '2026-01-02T01:34:00.000Z');
  t.is(parseMoment('250ms', now), '2026-01-02T03:04:04.750Z');
  for (const text of ['soon', '', '10x', '2026-99-01']) t.throws(() => parseMoment(text, now), usage, text);
});

test('an assignment without a value is looked up, or empty where there is nothing to look in', (t) => {
  t.deepEqual(readAssignments('--build-arg', ['A=b=c', 'B', 'C', 'D='], { B: 'x' }), {
    A: 'b=c',
    B: 'x',
    D: '',
  });
  t.deepEqual(readAssignments('--label', ['A'], undefined), { A: '' });
  t.throws(() => readAssignments('--label', ['=x'], undefined), usage);
});

test('a filter is a known name and a value', (t) => {
  t.deepEqual(readFilters(['name=a=b'], ['name', 'id']), [{ key: 'name', value: 'a=b' }]);
  for (const text of ['name', 'nope=x', '=x']) t.throws(() => readFilters([text], ['name']), usage, text);
});

test('a restart policy counts only failures', (t) => {
  t.deepEqual(readRestart('always'), { name: 'always', maximum: 0 });
  t.deepEqual(readRestart('on-failure:3'), { name: 'on-failure', maximum: 3 });
  for (const text of ['always:3', 'never', '']) t.throws(() => readRestart(text), usage, text);
});

test('log options are sizes and counts', (t) => {
  t.is(readLog(undefined, []), undefined);
  t.deepEqual(readLog('json-file', ['max-size=10m', 'max-file=3']), {
    driver: 'json-file',
    maxSize: 10 * 1024 * 1024,
    maxFiles: 3,
  });
  t.deepEqual(readLog('none', []), { driver: 'none' });
  t.throws(() => readLog(undefined, ['tag=x']), { instanceOf: CoracleError, code: 'UNSUPPORTED' });
  t.throws(() => readLog(undefined, ['max-file=0']), usage);
});

test('a mode is octal, a pull policy is a word of docker or podman', (t) => {
  t.is(readMode('--umask', '027'), 0o27);
  t.throws(() => readMode('--umask', '89'), usage);
  t.is(readPullPolicy(undefined), 'missing');
  t.is(readPullPolicy('true'), 'always');
});

test('sizes have three digits at most', (t) => {
  t.deepEqual([0, 999, 1000, 7_380_000, 1_234_567_890].map(formatSize), [
    '0B',
    '999B',
    '1kB',
    '7.38MB',
    '1.23GB',
  ]);
});

test('S40: control characters cannot drive the terminal', (t) => {
  t.is(visible('a\x1b[31mb\r\u009bc\td\n'), 'a\\x1b[31mb\\x0d\\x9bc\td\n');
});

test('an error reads as message, excerpt and hint; its causes only when asked for', (t) => {
  const cause = new Error('ENOENT: gone');
  const error = new CoracleError('IO', 'open x: gone', { cause, hint: 'make it', excerpt: 'f:1\n1 | x' });
  t.is(renderError(error), 'coracle: open x: gone\nf:1\n1 | x\nhint: make it');
  t.regex(
    renderError(error, { stack: true }),
    /hint: make it\nCoracleError: open x(.|\n)*caused by: Error: ENOENT: gone/,
  );
  t.regex(
    renderError(new TypeError('x is undefined')),
    /^coracle: unexpected error: TypeError(.|\n)*defect of coracle/,
  );
});

test('a failed file operation names what failed once, why, and what to do', (t) => {
  const failure = (code: string, text: string, path: string): Error =>
    Object.assign(new Error(`${code}: ${text}, open '${path}'`), { code, path });
  const shown = (action: string, error: unknown): readonly (string | undefined)[] => {
    const { message, hint } = ioError(action, error);
    return [message, hint?.split(':')[0]];
  };
  const denied = failure('EACCES', 'permission denied', '/a/f');
  t.deepEqual(shown('read /a/f', denied), ['read /a/f: permission denied', 'ls -ld shows whose it is']);
  t.is(shown('prepare snapshot', denied)[0], 'prepare snapshot: /a/f: permission denied');
  const temporary = failure('ENOENT', 'no such file or directory', '/a/.f.tmp');
  t.deepEqual(shown('write /a/f', temporary), [
    'write /a/f: no such file or directory',
    'make its directory first',
  ]);
  t.deepEqual(shown('read it', new Error('odd, very')), ['read it: odd, very', undefined]);
  const real = t.throws(() => openSync('/no/such/file', 'r'));
  t.is(ioError('read /no/such/file', real).message, 'read /no/such/file: no such file or directory');
});
