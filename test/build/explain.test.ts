/** Why a step is not cached: differences of plain data, and what a build says. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { CacheRecord } from '../../lib/build/cache.js';
import type { NamedInputs } from '../../lib/build/cache-key.js';
import { explainMiss } from '../../lib/build/explain.js';
import { testWith } from '../helpers/declare.js';
import { Builder, missingForBuilds } from './builder.js';

const record = (inputs: NamedInputs, fields: Partial<CacheRecord> = {}): CacheRecord => ({
  version: 1,
  key: '',
  parent: 'p',
  result: '',
  instruction: 'RUN make',
  inputs,
  madeLayer: true,
  created: '2026-01-01T00:00:00Z',
  ...fields,
});

const run = { command: 'make', environment: '["A=1"]', user: '' };
const copy = { destination: '/', 'source:0:.:a': '1', 'source:0:.:b': '1' };

const explains = test.macro(
  (
    t,
    asked: Partial<CacheRecord> & { inputs: NamedInputs },
    records: readonly CacheRecord[],
    expected: readonly string[],
  ) => {
    t.deepEqual(
      explainMiss({ parent: 'p', instruction: 'RUN make', ...asked }, records, () => []),
      expected,
    );
  },
);

test(
  'an empty cache has nothing like it',
  explains,
  { inputs: run },
  [],
  ['no step like it is in the cache'],
);
test(
  'another variable is told by its value',
  explains,
  { inputs: { ...run, environment: '["A=2"]' } },
  [record(run)],
  ['environment had A=1', 'environment has A=2'],
);
test(
  'another command is told',
  explains,
  { inputs: { ...run, command: 'make all' } },
  [record(run)],
  ['command was make, is make all'],
);
test(
  'other files below are told',
  explains,
  { inputs: run, parent: 'q' },
  [record(run)],
  ['the files below it differ: a step before it, or the base image'],
);
test(
  'sources that came, went and changed are told',
  explains,
  { inputs: { destination: '/', 'source:0:.:a': '2', 'source:0:.:c': '1' } },
  [record(copy)],
  ['a has other content or modes', 'b is gone', 'c is new'],
);
test(
  'the nearest record is the one with the same files below',
  explains,
  { inputs: { ...run, user: 'x' } },
  [record({ ...run, user: 'x', command: 'other' }, { parent: 'q', instruction: 'RUN other' }), record(run)],
  ['user was empty, is x'],
);
test(
  'a record with the same inputs means its result is gone',
  explains,
  { inputs: run },
  [record(run)],
  ['its result was pruned, or is too old'],
);

testWith(missingForBuilds, 'a build says which files of the context changed', async (t) => {
  const builder = await Builder.open(t);
  const text = 'FROM localhost/busybox\nCOPY . /c\n';
  const context = builder.context({
    Dockerfile: text,
    'd/same': 's',
    'd/other': 'o',
    '.dockerignore': 'Dockerfile',
  });
  // Files that just changed are not remembered.
  const young = (): boolean => Date.now() - statSync(join(context, 'd/other')).ctimeMs < 200;
  while (young()) await sleep(20);
  await builder.build(context);
  writeFileSync(join(context, 'd/other'), 'changed');
  writeFileSync(join(context, 'd/added'), 'a');
  const { output } = await builder.build(context, { explain: true });
  t.is(output, 'not cached: d/added is new\nnot cached: d/other is changed\n');
});

testWith(
  missingForBuilds,
  '--expect-cached fails at the first step that would run, and says why',
  async (t) => {
    const builder = await Builder.open(t);
    const text = (word: string): string => `FROM localhost/busybox\nRUN echo ${word}\nRUN echo end\n`;
    await builder.make(text('one'));
    t.is((await builder.make(text('one'), {}, { expectCached: true })).cached, 2);
    const error = await builder.fails(t, text('two'), {}, { expectCached: true });
    t.regex(error.message, /expect cached step RUN .*echo two: it is not in the cache/);
    t.regex(error.hint ?? '', /command was .*one.*, is .*two/);
  },
);
