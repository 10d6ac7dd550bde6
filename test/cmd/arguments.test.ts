import test from 'ava';
import fc from 'fast-check';
import { parseArguments } from '../../cmd/arguments.js';
import { type OptionSpec, refusedOptions } from '../../cmd/command.js';
import { CoracleError } from '../../lib/errors.js';

const options: readonly OptionSpec[] = [
  { name: 'env', short: 'e', kind: 'list', summary: '' },
  { name: 'publish', short: 'p', kind: 'list', summary: '' },
  { name: 'user', short: 'u', kind: 'string', summary: '' },
  { name: 'interactive', short: 'i', kind: 'switch', summary: '' },
  { name: 'tty', short: 't', kind: 'switch', summary: '' },
  { name: 'sig-proxy', kind: 'toggle', summary: '' },
  { name: 'time', short: 's', kind: 'number', aliases: ['timeout'], summary: '' },
  { name: 'pull', kind: 'optional', bare: 'always', choices: ['always', 'missing'], summary: '' },
  ...refusedOptions({ 'no limits here': 'memory,m cpus' }),
];

const empty = {
  env: [],
  publish: [],
  user: undefined,
  interactive: false,
  tty: false,
  'sig-proxy': undefined,
  time: undefined,
  pull: undefined,
  memory: undefined,
  cpus: undefined,
};

type Case = readonly [words: readonly string[], values: object, operands: readonly string[]];

const cases: Readonly<Record<string, Case>> = {
  'a long option takes the next word or what follows its equals sign': [
    ['--user', 'root', '--env=A=b', '--env', 'C=d'],
    { user: 'root', env: ['A=b', 'C=d'] },
    [],
  ],
  'a short option takes the rest of its word': [
    ['-eA=b', '-uroot', '-p80:80'],
    { env: ['A=b'], user: 'root', publish: ['80:80'] },
    [],
  ],
  'one equals sign after a short option is no part of the value': [
    ['-e=A=b', '-u=root'],
    { env: ['A=b'], user: 'root' },
    [],
  ],
  'short switches join, the last may take a value': [
    ['-itu', 'root', '-ituwww'],
    { interactive: true, tty: true, user: 'www' },
    [],
  ],
  'a switch takes a value only after an equals sign': [
    ['-i=false', '--tty=T', 'true'],
    { interactive: false, tty: true },
    ['true'],
  ],
  'a toggle tells not given from false': [['--sig-proxy=0'], { 'sig-proxy': false }, []],
  'an optional value needs its equals sign': [['--pull', 'missing'], { pull: 'always' }, ['missing']],
  'an optional value after its equals sign': [['--pull=missing'], { pull: 'missing' }, []],
  'two dashes end the options': [['-i', '--', '-t', '--user'], { interactive: true }, ['-t', '--user']],
  'options mix with operands': [
    ['a', '-i', 'b', '--user', 'x', 'c'],
    { interactive: true, user: 'x' },
    ['a', 'b', 'c'],
  ],
  'a lone dash is an operand': [['-', '-i'], { interactive: true }, ['-']],
  'a value may begin with a dash': [['--user', '--tty', '-e', '-x'], { user: '--tty', env: ['-x'] }, []],
  'an alias fills the option': [['--timeout', '-1'], { time: -1 }, []],
  'the last of a plain option wins': [['-u', 'a', '-u', 'b'], { user: 'b' }, []],
  'an empty value is a value': [['--user=', '-e', ''], { user: '', env: [''] }, []],
};

for (const [title, [words, values, operands]] of Object.entries(cases)) {
  test(title, (t) => {
    t.deepEqual(parseArguments(words, options), { values: { ...empty, ...values }, operands });
  });
}

test('S41: a command that stops at its first operand leaves the rest alone', (t) => {
  const parsed = parseArguments(['-i', 'image', 'ls', '-t', '--', '--user'], options, {
    stopAtOperand: true,
  });
  t.deepEqual(parsed.operands, ['image', 'ls', '-t', '--', '--user']);
  t.is(parsed.values.tty, false);
});

type Refusal = readonly [words: readonly string[], message: RegExp, hint?: RegExp];

const refusals: Readonly<Record<string, Refusal>> = {
  'an unknown option names the one that was meant': [['--usr', 'x'], /^unknown flag: --usr$/, /--user/],
  'an unknown letter is named with its word': [['-iz'], /^unknown shorthand flag: 'z' in -iz$/],
  'a missing value is named': [['--user'], /^flag needs an argument: --user$/],
  'a missing value of a letter is named': [['-e'], /^flag needs an argument: -e$/],
  'a bad switch value is refused': [
    ['--tty=yes'],
    /^invalid argument "yes" for --tty: must be true or false$/,
  ],
  'a bad number is refused': [['--time', '1s'], /^invalid argument "1s" for --time: must be a whole number$/],
  'a value outside of the choices is refused': [['--pull=often'], /must be always, missing$/],
  'an option of others is refused by name with its reason': [
    ['--memory', '1g'],
    /^use --memory: no limits here$/,
  ],
  'one of others is refused where nothing follows': [['--memory'], /^use --memory: no limits here$/],
  'a letter of others is refused by name': [['-m', '1g'], /^use -m: no limits here$/],
};

for (const [title, [words, message, hint]] of Object.entries(refusals)) {
  test(title, (t) => {
    const error = t.throws(() => parseArguments(words, options), { instanceOf: CoracleError, message });
    if (hint !== undefined) t.regex(error.hint ?? '', hint);
  });
}

test('any words give operands and values or a named error', (t) => {
  const word = fc.oneof(
    fc.constantFrom('-', '--', '-e', '-it', '--env', '--user=x', '--pull', '-mx', '--tty=', '-=', '--='),
    fc.string({ maxLength: 6 }),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      try {
        const { operands } = parseArguments(words, options);
        return operands.every((operand) => words.includes(operand));
      } catch (error) {
        return error instanceof CoracleError && error.message.length > 0;
      }
    }),
    { numRuns: 500 },
  );
  t.pass();
});
