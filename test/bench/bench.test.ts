import test from 'ava';
import { against, type Row, row } from './case.js';
import { piped, runCommand, timeCommand } from './command.js';
import { parseBenchOptions } from './options.js';
import { ownProcesses, privateMemory, residentMemory } from './processes.js';
import { playRounds } from './rounds.js';
import { median, minimum } from './statistics.js';
import { evaluate, renderTable } from './table.js';

const env = { PATH: process.env.PATH ?? '' };

const hasMedian = test.macro((t, samples: readonly number[], expected: number) =>
  t.is(median(samples), expected),
);
test('the median of an odd number of samples is the one in the middle', hasMedian, [30, 1, 2], 2);
test('the median of an even number of samples is the mean of two', hasMedian, [4, 1, 2, 30], 3);
test('the median of one sample is that sample', hasMedian, [7], 7);

test('no samples have neither a median nor a minimum', (t) => {
  t.is(median([]), Number.NaN);
  t.is(minimum([]), Number.NaN);
});

test('a slow case gets a third of the rounds, at least one', (t) => {
  t.is(parseBenchOptions(['--rounds', '15'], []).scale.slowRounds, 5);
  t.is(parseBenchOptions(['--rounds', '1'], []).scale.slowRounds, 1);
});

test('quick cases are smaller, and --rounds still counts', (t) => {
  const { scale } = parseBenchOptions(['--quick', '--rounds', '7'], []);
  t.is(scale.rounds, 7);
  t.true(scale.files < parseBenchOptions([], []).scale.files);
});

const refuses = test.macro((t, argv: readonly string[], message: RegExp) => {
  t.throws(() => parseBenchOptions(argv, ['run', 'exec']), { message });
});
test(
  'a case that does not exist is refused with those that do',
  refuses,
  ['--only', 'sail'],
  /sail.*run, exec/,
);
test('rounds are a number', refuses, ['--rounds', '1e3'], /--rounds 1e3/);
test('an unknown option is refused', refuses, ['--fast'], /--fast/);

test('contenders take turns, and the first round is thrown away', (t) => {
  const turns: string[] = [];
  const contender = (label: string) => ({
    label,
    round: (record: (measure: string, value: number) => void, round: number) => {
      turns.push(`${label}${round}`);
      record('time', round);
    },
  });
  const samples = playRounds([contender('a'), contender('b')], 2);
  t.deepEqual(turns, ['a0', 'b0', 'b1', 'a1', 'a2', 'b2']);
  t.deepEqual(samples.get('a')?.get('time'), [1, 2]);
});

const samples = new Map([
  ['coracle', new Map([['time', [10, 20, 30]]])],
  ['podman', new Map([['time', [90, 100, 110]]])],
]);

const meets = test.macro((t, line: Row, expected: boolean | undefined) => {
  t.is(evaluate('case', line, samples).met, expected);
});
test('a ratio up to its target meets it', meets, row('x', 'time', 0.2), true);
test('a ratio above its target does not', meets, row('x', 'time', 0.19), false);
test('without a target nothing is met or missed', meets, row('x', 'time'), undefined);
test('without a peer no ratio is met or missed', meets, against('buildah', 'x', 'time', 0.2), undefined);
const memory: Row = { ...row('x', 'time'), target: { of: 'value', atMost: 15 } };
test('an absolute target needs no peer', meets, memory, false);

test('the table has a line for each row, with gaps where a tool is missing', (t) => {
  const results = [row('alone', 'other'), row('both', 'time', 0.35)].map((line) =>
    evaluate('case', line, samples),
  );
  t.deepEqual(renderTable(results).split('\n').slice(2), [
    '| alone | – | – | – | – | – | – | – | 0 |',
    '| both | 20.0 ms | podman 100 ms | 0.20 | ≤ 0.35 | yes | 10.0 ms | 90.0 ms | 3 |',
    '',
  ]);
});

test('the clock covers the whole process', (t) => {
  t.true(timeCommand({ program: 'sleep', args: ['0.2'], env }) >= 200);
});

test('a command that fails is an error with its own words', (t) => {
  const command = { program: 'sh', args: ['-c', 'echo leaking >&2; exit 3'], env };
  t.throws(() => timeCommand(command), { message: /3\nleaking$/ });
  t.throws(() => runCommand(command), { message: /3\nleaking$/ });
});

test('a pipe fails with its first command', (t) => {
  t.throws(() => timeCommand(piped({ program: 'false', args: [], env }, 'cat >/dev/null')));
  t.is(runCommand(piped({ program: 'echo', args: ['a b'], env }, 'tr a-b B-C')), 'B C\n');
});

test('this process is among its user’s, with its memory', (t) => {
  const own = ownProcesses().find(({ pid }) => pid === process.pid);
  t.is(own?.parent, process.ppid);
  t.true((privateMemory(process.pid) ?? 0) <= (residentMemory(process.pid) ?? 0));
});
