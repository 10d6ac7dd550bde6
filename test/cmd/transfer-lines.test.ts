/** The lines of the display of pulls and pushes. */
import test from 'ava';
import {
  advance,
  chooseLines,
  type LayerEvent,
  type LayerLine,
  lineText,
  rowsOf,
} from '../../cmd/progress/transfer-lines.js';

const id = '0123456789ab';
const MB = 1_000_000;

function event(fields: Partial<LayerEvent> = {}): LayerEvent {
  return { kind: 'layer', id, status: 'downloading', ...fields };
}

/** Ten seconds after it began with 20 of 100 MB, which were there before, there are 40 MB. */
const line: LayerLine = { event: event({ current: 40 * MB, total: 100 * MB }), since: 0, before: 20 * MB };
const at = 10_000;

test('a line has bar, size, rate and time left; what was there before does not count for the rate', (t) => {
  t.is(
    lineText(line, at, 100),
    '0123456789ab: downloading [=========               ] 40MB/100MB 2MB/s 30s left',
  );
});

test('with fewer columns the bar goes first and the time left last', (t) => {
  t.is(lineText(line, at, 70), '0123456789ab: downloading [====      ] 40MB/100MB 2MB/s 30s left');
  t.is(lineText(line, at, 55), '0123456789ab: downloading 40MB/100MB 2MB/s 30s left');
  t.is(lineText(line, at, 45), '0123456789ab: downloading 2MB/s 30s left');
  t.is(lineText(line, at, 35), '0123456789ab: downloading 30s left');
  t.is(lineText(line, at, 30), '0123456789ab: downloading');
  t.is(lineText(line, at, 9), '012345678');
  for (let columns = 0; columns < 100; columns++) t.true(lineText(line, at, columns).length <= columns);
});

test('long times are told in minutes and hours, and unknown sizes have no time', (t) => {
  const slow = (total: number): string =>
    lineText({ ...line, event: event({ current: 40 * MB, total }) }, at, 50);
  t.regex(slow(400 * MB), / 3m0s left$/);
  t.regex(slow(40_000 * MB), / 5h33m left$/);
  t.is(
    lineText({ ...line, event: event({ current: 40 * MB }) }, at, 60),
    '0123456789ab: downloading 40MB 2MB/s',
  );
  t.regex(lineText({ ...line, before: 40 * MB }, at, 100), / 0B\/s$/);
});

test('the rate begins anew with the status, and with the first byte', (t) => {
  const waiting = advance(undefined, event({ status: 'waiting' }), 1);
  const begun = advance(waiting, event({ current: 0, total: 9 }), 2);
  const resumed = advance(begun, event({ current: 5, total: 9 }), 3);
  t.deepEqual([resumed.since, resumed.before], [3, 5]);
  const more = advance(resumed, event({ current: 6, total: 9 }), 4);
  t.deepEqual([more.since, more.before, more.event.current], [3, 5, 6]);
  t.is(advance(more, event({ status: 'extracting', current: 1, total: 9 }), 5).since, 5);
});

test('layers on their way are shown where there is not room for all', (t) => {
  const many = ['done', 'downloading', 'waiting', 'exists', 'extracting', 'waiting'] as const;
  const lines = many.map((status) => ({ ...line, event: event({ status }) }));
  const statuses = (rows: number) => chooseLines(lines, rows).shown.map(({ event: { status } }) => status);
  t.deepEqual(statuses(3), ['downloading', 'extracting']);
  t.is(chooseLines(lines, 3).summary, '4 more layers: 2 done, 2 waiting');
  t.deepEqual(statuses(5), ['downloading', 'waiting', 'extracting', 'waiting']);
  t.is(chooseLines(lines, 5).summary, '2 more layers: 2 done, 0 waiting');
  t.is(chooseLines(lines, 6).shown.length, 6);
  t.is(chooseLines(lines, 2).shown.length, 1);
});

test('lines of a terminal that was made narrower take more rows', (t) => {
  t.is(rowsOf([79, 10, 0], 80), 3);
  t.is(rowsOf([79, 10, 0], 40), 4);
  t.is(rowsOf([79, 10, 0], 10), 10);
});
