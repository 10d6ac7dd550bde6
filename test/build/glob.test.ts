import test from 'ava';
import fc from 'fast-check';
import { compileGlob, hasWildcards, unescapePattern } from '../../lib/build/glob.js';
import { CoracleError } from '../../lib/errors.js';

const cases: readonly (readonly [string, string, boolean])[] = [
  ['abc', 'abc', true],
  ['abc', 'abcd', false],
  ['', '', true],
  ['', 'a', false],
  ['*', '', true],
  ['*', 'abc', true],
  ['*', 'a/b', false],
  ['*c', 'abc', true],
  ['a*', 'a', true],
  ['a*', 'ab/c', false],
  ['a*/b', 'abc/b', true],
  ['a*/b', 'a/c/b', false],
  ['a*b*c*d*e*/f', 'axbxcxdxe/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/f', true],
  ['a*b*c*d*e*/f', 'axbxcxdxe/xxx/f', false],
  ['a*b*c*d*e*/f', 'axbxcxdxexxx/fff', false],
  ['a*b?c*x', 'abxbbxdbxebxczzx', true],
  ['a*b?c*x', 'abxbbxdbxebxczzy', false],
  ['**', 'abc', true],
  ['**', 'a/c', false],
  ['*.*.*', 'a.b.c', true],
  ['ab[c]', 'abc', true],
  ['ab[b-d]', 'abc', true],
  ['ab[e-g]', 'abc', false],
  ['ab[^c]', 'abc', false],
  ['ab[^e-g]', 'abc', true],
  ['[*]', '*', true],
  ['a[/]b', 'a/b', true],
  ['a[^x]b', 'a/b', true],
  ['a\\*b', 'a*b', true],
  ['a\\*b', 'axb', false],
  ['a?b', 'a☺b', true],
  ['a?b', 'a🚀b', true],
  ['a?b', 'a/b', false],
  ['a???b', 'a☺b', false],
  ['[a-ζ]*', 'α', true],
  ['*[a-ζ]', 'A', false],
  ['[\\]a]', ']', true],
  ['[\\-]', '-', true],
  ['[x\\-]', '-', true],
  ['[x\\-]', 'z', false],
  ['[\\-x]', 'a', false],
  ['*x', 'xxx', true],
];

test('globs match as in Go', (t) => {
  for (const [pattern, name, expected] of cases)
    t.is(compileGlob(pattern).matches(name), expected, `${pattern} ${name}`);
});

test('malformed globs are refused', (t) => {
  for (const pattern of [
    '[]a]',
    '[-]',
    '[x-]',
    '[-x]',
    '\\',
    '[a-b-c]',
    '[',
    '[^',
    '[^bc',
    'a[',
    'x*[',
    '*\\',
    '[a-]',
    '[^]',
  ]) {
    const error = t.throws(() => compileGlob(pattern), { instanceOf: CoracleError }, pattern);
    t.is(error.code, 'INVALID');
  }
});

test('wildcards are told from escaped characters', (t) => {
  for (const pattern of ['*', 'a?', '[a]', '\\\\*']) t.true(hasWildcards(pattern), pattern);
  for (const pattern of ['a', '\\*', '\\[x', 'a]']) t.false(hasWildcards(pattern), pattern);
  t.is(unescapePattern('a\\*\\\\b'), 'a*\\b');
});

test('many stars take no exponential time', (t) => {
  const started = Date.now();
  t.false(compileGlob(`${'*a'.repeat(40)}b`).matches('a'.repeat(5_000)));
  t.true(Date.now() - started < 2_000);
});

test('an escaped text matches itself alone', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, other) => {
      const glob = compileGlob(text.replace(/[*?[\\]/g, '\\$&'));
      t.true(glob.matches(text));
      t.is(glob.matches(other), other === text);
    }),
  );
});
