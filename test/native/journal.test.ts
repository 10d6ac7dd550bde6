/** The journal of events: many writers, a bounded size, lines of writers that died. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { storePaths } from '../../lib/host/paths.js';
import { writeEvent } from '../../lib/native/journal.js';
import { runProgram } from '../helpers/cli.js';
import { temporaryDirectory } from '../helpers/host.js';

type Line = { readonly name: string; readonly status: string };

function read(path: string): readonly Line[] {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
}

test('four processes lose nothing, also while the file is moved', async (t) => {
  const root = temporaryDirectory(t);
  mkdirSync(join(root, 'locks'));
  const script = fileURLToPath(new URL('journal-process.js', import.meta.url));
  const writers = ['a', 'b', 'c', 'd'];
  const outcomes = await Promise.all(
    writers.map((writer) => runProgram(process.execPath, [script, root, writer, '2200'])),
  );
  t.deepEqual(
    outcomes.map(({ code, stderr }) => [code, stderr]),
    writers.map(() => [0, '']),
  );
  const { events } = storePaths(root);
  const [older, newer] = [read(`${events}.1`), read(events)];
  t.true(older.length > 0 && newer.length > 0);
  t.is(new Set([...older, ...newer].map(({ name }) => name)).size, 4 * 2200);
  for (const writer of writers) {
    const own = [...older, ...newer].map(({ name }) => name).filter((name) => name.startsWith(writer));
    t.deepEqual(
      own,
      Array.from({ length: 2200 }, (_, number) => `${writer}-${number}`),
    );
  }
});

test('the journal has two files of about a mebibyte, and a torn line costs one event', (t) => {
  const root = temporaryDirectory(t);
  mkdirSync(join(root, 'locks'));
  const paths = storePaths(root);
  writeFileSync(paths.events, 'x'.repeat((1 << 20) - 10));
  writeEvent(paths, 'volume', 'create', { name: 'last' });
  t.false(existsSync(paths.events));
  t.true(statSync(`${paths.events}.1`).size < 1.1 * (1 << 20));
  writeEvent(paths, 'volume', 'create', { name: 'one' });
  t.is(statSync(paths.events).mode & 0o777, 0o600);
  appendFileSync(paths.events, '\n{"time":"2026-01-01T00:0');
  writeEvent(paths, 'volume', 'remove', { name: 'two' });
  const lines = readFileSync(paths.events, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
  t.deepEqual(
    lines.map((line) => (line.endsWith('}') ? (JSON.parse(line) as Line).name : 'torn')),
    ['one', 'torn', 'two'],
  );
});
