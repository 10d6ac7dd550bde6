import test from 'ava';
import fc from 'fast-check';
import { parseDuration } from '../../lib/dockerfile/duration.js';
import { expandWord, type WordOptions } from '../../lib/dockerfile/words.js';
import { CoracleError } from '../../lib/errors.js';

const variables = new Map([
  ['HOME', '/home/ann'],
  ['SHELL', 'bash'],
  ['EMPTY', ''],
  ['KOREAN', '한국어'],
  ['PAIR', 'one two'],
  ['PATHS', '/a/b/a/b.tar.gz'],
  ['DOTS', 'x.y.z'],
  ['STARS', 'a**b*'],
]);

function expand(word: string, escapeToken: '\\' | '`' = '\\', options: WordOptions = {}) {
  return expandWord(word, (name) => variables.get(name), escapeToken, options);
}

/** word, its expansion; undefined: an error. */
const cases: readonly (readonly [string, string | undefined])[] = [
  ['hello', 'hello'],
  ['he"llo"', 'hello'],
  ["he'llo'", 'hello'],
  ["he'llo", undefined],
  ['he"llo', undefined],
  ['"he\'llo"', "he'llo"],
  ["'he\"llo'", 'he"llo'],
  ["he\\'llo", "he'llo"],
  ['he\\\\llo', 'he\\llo'],
  ['abc\\tdef', 'abctdef'],
  ['"abc\\tdef"', 'abc\\tdef'],
  ["'abc\\tdef'", 'abc\\tdef'],
  ['hello\\', 'hello'],
  ['"hello\\"', undefined],
  ['"hello\\\\"', 'hello\\'],
  ['"a\\$HOME"', 'a$HOME'],
  ['\\$HOME', '$HOME'],
  ["'$HOME'", '$HOME'],
  ["\\'$HOME\\'", "'/home/ann'"],
  ['$', '$'],
  ['a$', 'a$'],
  ['$%', '$%'],
  ['$ x', '$ x'],
  ['$.', '$.'],
  ['$HOME', '/home/ann'],
  ['$HOMExx', ''],
  [`\${HOME}xx`, '/home/annxx'],
  ['$HOME/x', '/home/ann/x'],
  ['$HOME$SHELL', '/home/annbash'],
  ['"$HOME"', '/home/ann'],
  ['he$1x', 'hex'],
  ['he$12x', 'hex'],
  ['he$$x', 'hex'],
  ['he$?x', 'hex'],
  ['he$#x', 'hex'],
  ['he$@x', 'hex'],
  ['$KOREAN', '한국어'],
  ['안녕$KOREAN', '안녕한국어'],
  [`\${}`, undefined],
  [`\${`, undefined],
  [`\${{HOME}`, undefined],
  [`\${:}`, undefined],
  [`\${HOME`, undefined],
  [`\${HOME:`, undefined],
  [`\${HOME:-`, undefined],
  [`\${HOME=x}`, undefined],
  [`\${HOME:x}`, undefined],
  [`\${HOME!}`, undefined],
  [`\${NONE:-word}`, 'word'],
  [`\${NONE-word}`, 'word'],
  [`\${EMPTY:-word}`, 'word'],
  [`\${EMPTY-word}`, ''],
  [`\${HOME:-word}`, '/home/ann'],
  [`\${NONE:-}`, ''],
  [`\${NONE:-\\}}`, '}'],
  [`\${NONE:-$HOME}`, '/home/ann'],
  [`\${NONE:-\${OTHER:-deep}}`, 'deep'],
  [`\${NONE:-"a b"}`, 'a b'],
  [`\${NONE:-'}'}`, '}'],
  [`"\${NONE:-a b}"`, 'a b'],
  [`\${HOME:+word}`, 'word'],
  [`\${EMPTY:+word}`, ''],
  [`\${EMPTY+word}`, 'word'],
  [`\${NONE:+word}`, ''],
  [`\${NONE+word}`, ''],
  [`\${HOME:+<\${SHELL}>}`, '<bash>'],
  [`\${HOME:?needed}`, '/home/ann'],
  [`\${EMPTY?needed}`, ''],
  [`\${EMPTY:?needed}`, undefined],
  [`\${NONE?needed}`, undefined],
  [`\${NONE:?needed}`, undefined],
  [`\${NONE:+\${OTHER:?always looked at}}`, undefined],
  [`\${PATHS#*/}`, 'a/b/a/b.tar.gz'],
  [`\${PATHS##*/}`, 'b.tar.gz'],
  [`\${PATHS%.*}`, '/a/b/a/b.tar'],
  [`\${PATHS%%.*}`, '/a/b/a/b'],
  [`\${PATHS%/*}`, '/a/b/a'],
  [`\${PATHS#nothing}`, '/a/b/a/b.tar.gz'],
  [`\${PATHS#}`, '/a/b/a/b.tar.gz'],
  [`\${PATHS##}`, '/a/b/a/b.tar.gz'],
  [`\${PATHS%}`, '/a/b/a/b.tar.gz'],
  [`\${PATHS#*}`, '/a/b/a/b.tar.gz'],
  [`\${PATHS##*}`, ''],
  [`\${PATHS#?a}`, '/b/a/b.tar.gz'],
  [`\${NONE#x}`, ''],
  [`\${STARS%\\*}`, 'a**b'],
  [`\${STARS#a\\*}`, '*b*'],
  [`\${STARS##*\\*}`, ''],
  [`\${STARS#\\x}`, undefined],
  [`\${DOTS#$EMPTY}`, 'x.y.z'],
  [`\${DOTS/./-}`, 'x-y.z'],
  [`\${DOTS//./-}`, 'x-y-z'],
  [`\${DOTS//?/#}`, '#####'],
  [`\${DOTS//y*/}`, 'x.'],
  [`\${DOTS/$EMPTY/!}`, '!x.y.z'],
  [`\${DOTS///-}`, '-x-.-y-.-z-'],
  [`\${DOTS/nothing/-}`, 'x.y.z'],
  [`\${DOTS//./$SHELL}`, 'xbashybashz'],
  [`\${PATHS//\\/a/\\/A}`, '\\/A/b\\/A/b.tar.gz'],
  [`\${PATHS/b}`, undefined],
  [`\${PATHS//}`, undefined],
  [`\${NONE/a/b}`, ''],
  [`\${KOREAN#?}`, '국어'],
  [`\${KOREAN%?}`, '한국'],
];

test('words expand as in BuildKit', (t) => {
  for (const [word, expected] of cases) {
    if (expected === undefined) {
      const error = t.throws(() => expand(word), { instanceOf: CoracleError }, word);
      t.is(error.code, 'INVALID', word);
    } else t.is(expand(word).text, expected, word);
  }
});

test('the escape directive changes the character that escapes', (t) => {
  t.is(expand('`$HOME', '`').text, '$HOME');
  t.is(expand('\\$HOME', '`').text, '\\/home/ann');
  t.is(expand('c:\\dir', '`').text, 'c:\\dir');
  t.is(expand('"a`"b"', '`').text, 'a"b');
});

test('a message after :? is expanded and shown', (t) => {
  const error = t.throws(() => expand(`\${NONE:?say $SHELL}`), { instanceOf: CoracleError });
  t.regex(error.message, /NONE: say bash$/);
  const plain = t.throws(() => expand(`\${EMPTY:?}`), { instanceOf: CoracleError });
  t.regex(plain.message, /EMPTY: is not allowed to be empty$/);
});

test('splitting happens after substitution, outside quotes only', (t) => {
  t.deepEqual(expand('a  b').words, ['a', 'b']);
  t.deepEqual(expand(' $PAIR ').words, ['one', 'two']);
  t.deepEqual(expand('"$PAIR"').words, ['one two']);
  t.deepEqual(expand("x'a b'y").words, ['xa by']);
  t.deepEqual(expand('a\\ b').words, ['a b']);
  t.deepEqual(expand('x$PAIR"y z"').words, ['xone', 'twoy z']);
  t.deepEqual(expand('$EMPTY').words, []);
  t.deepEqual(expand('a "" b').words, ['a', 'b']);
});

test('names that are not set are reported once, in order', (t) => {
  const { unmatched } = expand(`$B \${A:-x} $HOME $B \${C#x}`);
  t.deepEqual(unmatched, ['B', 'A', 'C']);
});

test('raw modes keep quotes, escapes and unset references', (t) => {
  t.is(expand('"a"\'b\'', '\\', { rawQuotes: true }).text, '"a"\'b\'');
  t.is(expand('a\\b', '\\', { rawEscapes: true }).text, 'a\\b');
  t.is(
    expand(`$NONE \${NONE} \${NONE:-x} \${NONE/a/b}`, '\\', { keepUnset: true }).text,
    `$NONE \${NONE} \${NONE:-x} \${NONE/a/b}`,
  );
  t.is(expand('it\'s "$SHELL"', '\\', { literalQuotes: true }).text, 'it\'s "bash"');
});

test('deep nesting and hostile patterns end quickly', (t) => {
  t.throws(() => expand(`\${A:-`.repeat(50_000)), { instanceOf: CoracleError });
  const started = Date.now();
  const value = 'a'.repeat(2_000);
  t.is(expandWord(`\${V#${'*a'.repeat(30)}b}`, () => value, '\\').text, value);
  t.true(Date.now() - started < 2_000);
});

test('text without special characters expands to itself', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[^$\\'"]*$/), (text) => {
      t.is(expand(text).text, text);
    }),
  );
});

test('single quotes protect any text without single quotes', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[^']*$/), (text) => {
      t.is(expand(`'${text}'`).text, text);
    }),
  );
});

test('any text expands or fails with an INVALID error', (t) => {
  const characters = fc.constantFrom(...`\${}:-+?#%/*\\'"\`aH \n한`.split(''), 'HOME');
  fc.assert(
    fc.property(fc.array(characters, { maxLength: 30 }), (parts) => {
      try {
        expand(parts.join(''));
      } catch (error) {
        t.true(error instanceof CoracleError && error.code === 'INVALID');
      }
    }),
    { numRuns: 2_000 },
  );
  t.pass();
});

test('durations are read as in Go', (t) => {
  t.is(parseDuration('1h30m'), 5_400_000_000_000);
  t.is(parseDuration('1.5s'), 1_500_000_000);
  t.is(parseDuration('.5ms'), 500_000);
  t.is(parseDuration('2us3ns'), 2_003);
  t.is(parseDuration('-1s'), -1_000_000_000);
  t.is(parseDuration('0'), 0);
  for (const bad of ['', '1', 's', '1x', '1s ', '.s', '1m1', '-', '9999999h', '1.2.3s'])
    t.is(parseDuration(bad), undefined, bad);
});
