/** Forms of substitution: one expression each, in ENV, with `set=value`, `empty=` and nothing for `unset`. */
import type { CorpusCase } from './case.js';

const newer = 'its parser knows fewer forms';

/** Expression, value, and why Buildah has another one. */
const expressions: readonly (readonly [string, string, string?])[] = [
  ['$set', 'value'],
  ['${set}', 'value'],
  ['${set}s', 'values'],
  ['$set/x', 'value/x'],
  ['$set$set', 'valuevalue'],
  ['x$unset', 'x'],
  ['${unset}x', 'x'],
  ['$empty.', '.'],
  ['\\$set', '$set'],
  ['\\${set}', '${set}'],
  ["'$set'", '$set'],
  ['"$set"', 'value'],
  ['"\\$set"', '$set'],
  ["a'b'c", 'abc'],
  ['a"b c"d', 'ab cd'],
  ['"a\'$set\'b"', "a'value'b"],
  ['a\\ b', 'a b'],
  ['\\\\', '\\', 'it goes on with the next line after a pair of backslashes'],
  ['\\a', 'a'],
  ['"\\a"', '\\a'],
  ["'\\a'", '\\a'],
  ['${set:-word}', 'value'],
  ['${unset:-word}', 'word'],
  ['${empty:-word}', 'word'],
  ['${unset:-$set}', 'value'],
  ['${unset:-${set}}', 'value'],
  ['${unset:-${unset:-deep}}', 'deep'],
  ['${unset:-"a b"}', 'a b'],
  ["${unset:-'$set'}", '$set'],
  ['${unset:-}', ''],
  ['${set:+word}', 'word'],
  ['${unset:+word}', ''],
  ['${empty:+word}', ''],
  ['${set:+$set-$set}', 'value-value'],
  ['${set-word}', 'value', newer],
  ['${unset-word}', 'word', newer],
  ['${empty-word}', '', newer],
  ['${set+word}', 'word', newer],
  ['${unset+word}', '', newer],
  ['${empty+word}', 'word', newer],
  ['${set?no}', 'value', newer],
  ['${set:?no}', 'value', newer],
  ['${empty?no}', '', newer],
  ['${path#*/}', 'b/c.tar.gz', newer],
  ['${path##*/}', 'c.tar.gz', newer],
  ['${path%.*}', 'a/b/c.tar', newer],
  ['${path%%.*}', 'a/b/c', newer],
  ['${path#a}', '/b/c.tar.gz', newer],
  ['${path#x}', 'a/b/c.tar.gz', newer],
  ['${path%gz}', 'a/b/c.tar.', newer],
  ['${path#?}', '/b/c.tar.gz', newer],
  ['${path/\\//-}', 'a-b/c.tar.gz', newer],
  ['${path//\\//-}', 'a-b-c.tar.gz', newer],
  ['${path/x/y}', 'a/b/c.tar.gz', newer],
  // Brackets are no pattern here.
  ['${path//[ac]/_}', 'a/b/c.tar.gz', newer],
  ['${path/b*/end}', 'a/end', newer],
  ['${path//./}', 'a/b/ctargz', newer],
  ['${stars#\\*}', '*x*', newer],
  ['${unset:-${path##*/}}', 'c.tar.gz', newer],
];

const before = 'FROM scratch\nARG set=value\nARG empty=\nARG unset\nARG path=a/b/c.tar.gz\nARG stars=**x*\n';

const failing: readonly (readonly [string, RegExp, string?])[] = [
  ['${unset:?tell them}', /tell them/],
  ['${empty:?tell them}', /tell them/],
  ['${unset?}', /unset/],
  ['${set', /set|brace|\}/],
  ['${set:*}', /modifier|\*/],
  ['${}', /substitution|name|\}/, 'it takes it for nothing'],
];

export const substitutions: readonly CorpusCase[] = [
  ...expressions.map(([expression, value, unlike]) => ({
    name: `substitution ${expression}`,
    dockerfile: `${before}ENV out=${expression}\n`,
    config: { Env: [`out=${value}`] },
    ...(unlike === undefined ? {} : { unlike }),
  })),
  ...failing.map(([expression, fails, unlike]) => ({
    name: `substitution ${expression}`,
    dockerfile: `${before}ENV out=${expression}\n`,
    fails,
    ...(unlike === undefined ? {} : { unlike }),
  })),
];
