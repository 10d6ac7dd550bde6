import test from 'ava';
import { readCall } from '../../cmd/options/build-call.js';
import { CoracleError } from '../../lib/errors.js';

test('--check and --call=check mean the same, lint is its old name', (t) => {
  const text = { method: 'check', format: 'text', ignoreStatus: false } as const;
  t.deepEqual(readCall(undefined, true), text);
  t.deepEqual(readCall('check', false), text);
  t.deepEqual(readCall('lint', false), text);
  t.deepEqual(readCall('check,format=json,ignorestatus=true', false), {
    method: 'check',
    format: 'json',
    ignoreStatus: true,
  });
});

test('a build is a build', (t) => {
  t.is(readCall(undefined, false), undefined);
  t.is(readCall('build', false), undefined);
});

test('other methods and attributes are refused by name', (t) => {
  for (const [text, code] of [
    ['subrequests.describe', 'UNSUPPORTED'],
    ['outlines', 'USAGE'],
    ['chekc', 'USAGE'],
    ['check,format=xml', 'USAGE'],
  ] as const) {
    const error = t.throws(() => readCall(text, false), { instanceOf: CoracleError });
    t.is(error?.code, code);
  }
});
