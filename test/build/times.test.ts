/** Which times a build records: a decision over plain data. */
import test from 'ava';
import { readEpoch, type TimeOptions, type Times, timesOnBase } from '../../lib/build/times.js';
import { CoracleError } from '../../lib/errors.js';
import type { ImageRecord } from '../../lib/image/image-record.js';

const base = (created: string | undefined): ImageRecord =>
  ({ config: { ...(created === undefined ? {} : { created }) } }) as ImageRecord;

const at = (seconds: number): Times => ({ created: new Date(seconds * 1000).toISOString(), files: seconds });

const gives = test.macro(
  (t, epoch: number | undefined, image: ImageRecord | undefined, options: TimeOptions, expected: Times) => {
    t.deepEqual(timesOnBase(epoch, image, options), expected);
  },
);

test(
  'without SOURCE_DATE_EPOCH the base image gives the time',
  gives,
  undefined,
  base('2024-05-06T07:08:09.9Z'),
  {},
  at(1714979289),
);
test('scratch has the first second', gives, undefined, undefined, {}, at(0));
test(
  'a base that does not say when it was made has the first second',
  gives,
  undefined,
  base(undefined),
  {},
  at(0),
);
test("Go's zero time is the first second", gives, undefined, base('0001-01-01T00:00:00Z'), {}, at(0));
test('a time that is no time is the first second', gives, undefined, base('yesterday'), {}, at(0));
test('SOURCE_DATE_EPOCH wins', gives, 7, base('2024-05-06T07:08:09Z'), {}, at(7));
test(
  'who does not want it gets the clock',
  gives,
  undefined,
  base('2024-05-06T07:08:09Z'),
  { reproducible: false },
  {},
);
test(
  'SOURCE_DATE_EPOCH is wanted whatever else is said',
  gives,
  7,
  undefined,
  { reproducible: false },
  at(7),
);
test(
  'files can keep their times',
  gives,
  7,
  undefined,
  { rewriteTimestamp: false },
  { created: '1970-01-01T00:00:07.000Z' },
);
test(
  'files can be set back under the clock',
  gives,
  undefined,
  undefined,
  { reproducible: false, rewriteTimestamp: true },
  { files: 0 },
);

test('SOURCE_DATE_EPOCH is seconds, a known name, or nothing', (t) => {
  const timeOf = (name: string): number | undefined | 'unknown' =>
    name === 'context' ? undefined : name === 'base' ? 5 : 'unknown';
  t.is(readEpoch('12', timeOf), 12);
  t.is(readEpoch('', timeOf), undefined);
  t.is(readEpoch(undefined, timeOf), undefined);
  t.is(readEpoch('context', timeOf), undefined);
  t.is(readEpoch('base', timeOf), 5);
  for (const text of ['-1', '1.5', 'now', '123456789012', '1e3']) {
    const error = t.throws(() => readEpoch(text, timeOf), { instanceOf: CoracleError });
    t.is(error instanceof CoracleError ? error.code : undefined, 'USAGE', text);
  }
});
