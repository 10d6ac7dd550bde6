/** The results of `build --check` as docker prints them. */
import test from 'ava';
import type { CheckResult } from '../../lib/build/check.js';
import { checkJson, checkText, sourceBlock } from '../../lib/build/check-report.js';

const lines = ['FROM a as b', '', 'MAINTAINER me', 'RUN x', 'RUN y'];
const source = { name: 'Dockerfile', lines };
const warning = {
  rule: 'FromAsCasing',
  message: "'as' and 'FROM' keywords' casing do not match",
  range: { startLine: 1, endLine: 1, startColumn: 1 },
};

test('no finding is one line', (t) => {
  t.is(checkText({ warnings: [], source }), 'Check complete, no warnings found.\n');
});

test('a finding has its rule, its page, its words and its lines', (t) => {
  t.is(
    checkText({ warnings: [warning], source }),
    `Check complete, 1 warning has been found!

WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/
'as' and 'FROM' keywords' casing do not match
Dockerfile:1
--------------------
   1 | >>> FROM a as b
   2 |     
   3 |     MAINTAINER me
--------------------
`,
  );
  t.regex(
    checkText({ warnings: [warning, warning], source }),
    /^Check complete, 2 warnings have been found!\n/,
  );
});

test('lines around a finding stay within the file, several lines have fewer', (t) => {
  const marked = (start: number, end: number): readonly string[] =>
    sourceBlock('f', lines, { startLine: start, endLine: end })
      .split('\n')
      .slice(2, -2)
      .map((line) => line.slice(0, 10).trimEnd());
  t.deepEqual(marked(5, 5), ['   3 |', '   4 |', '   5 | >>>']);
  t.deepEqual(marked(3, 4), ['   2 |', '   3 | >>>', '   4 | >>>', '   5 |']);
});

test('the JSON has the fields of BuildKit', (t) => {
  const result: CheckResult = { warnings: [warning], source };
  t.deepEqual(checkJson(result), {
    warnings: [
      {
        ruleName: 'FromAsCasing',
        description: "The 'as' keyword should match the case of the 'from' keyword",
        url: 'https://docs.docker.com/go/dockerfile/rule/from-as-casing/',
        detail: warning.message,
        location: { ranges: [{ start: { line: 1 }, end: { line: 1 } }] },
      },
    ],
    sources: [
      {
        filename: 'Dockerfile',
        data: Buffer.from(lines.join('\n')).toString('base64'),
        language: 'Dockerfile',
      },
    ],
  });
});
