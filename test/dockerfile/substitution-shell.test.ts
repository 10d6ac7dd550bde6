/** Substitution against the machine's shell, where BuildKit and POSIX mean the same: XCU 2.6.2. */
import { spawnSync } from 'node:child_process';
import test from 'ava';
import fc from 'fast-check';
import { expandWord } from '../../lib/dockerfile/words.js';

const variables: ReadonlyMap<string, string> = new Map([
  ['path', 'a/b.c/b.c.d'],
  ['same', 'aaaa'],
  ['empty', ''],
  ['stars', '*a*?b'],
]);

const name = fc.constantFrom(...variables.keys(), 'unset');
const plain = fc.stringMatching(/^[a-c./]{0,4}$/);
/** A pattern: `*` and `?`, and what stands for itself. */
const pattern = fc.array(fc.constantFrom('a', 'b', '.', '*', '?', '\\*', '\\?'), {
  minLength: 1,
  maxLength: 4,
});
const operator = fc.constantFrom(':-', '-', ':+', '+');
const cut = fc.constantFrom('#', '##', '%', '%%');
const word: fc.Arbitrary<string> = fc.letrec((tie) => ({
  word: fc.oneof(
    { depthSize: 'small' },
    plain,
    name.map((one) => `$${one}.`),
    name.map((one) => `\${${one}}`),
    fc.tuple(name, operator, tie('word')).map(([one, sign, rest]) => `\${${one}${sign}${String(rest)}}`),
    fc.tuple(name, cut, pattern).map(([one, sign, parts]) => `\${${one}${sign}${parts.join('')}}`),
    fc.tuple(tie('word'), tie('word')).map((parts) => parts.join('')),
  ),
})).word as fc.Arbitrary<string>;

/** What a shell makes of each, one process for all. */
function asTheShell(words: readonly string[]): readonly string[] {
  const setting = [...variables].map(([one, value]) => `${one}='${value}'`).join('; ');
  const script = `${setting}; unset unset\n${words.map((text) => `printf '%s\\0' "${text}"`).join('\n')}\n`;
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8', env: {} });
  if (status !== 0) throw new Error(`sh: ${stderr}`);
  return stdout.split('\0').slice(0, -1);
}

test('words with defaults, alternatives and cut ends are what a shell makes of them', (t) => {
  const lookup = (one: string): string | undefined => variables.get(one);
  fc.assert(
    fc.property(fc.array(word, { minLength: 100, maxLength: 200 }), (words) => {
      const expected = asTheShell(words);
      for (const [index, text] of words.entries())
        t.is(expandWord(`"${text}"`, lookup, '\\').text, expected[index] ?? 'nothing came', text);
    }),
    { numRuns: 30 },
  );
});
