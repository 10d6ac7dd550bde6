/** Output out of log lines, in large pieces. */
import test from 'ava';
import { outputOf, parseLogLine } from '../../lib/container/log-line.js';

const time = '2026-01-01T00:00:00.123456789Z';

type Piece = { readonly stream: string; readonly data: Buffer };

/** A stream's name where it begins or takes over, and what it printed. */
function told(pieces: Iterable<Piece>): string {
  let [text, last] = ['', ''];
  for (const { stream, data } of pieces) {
    if (data.length === 0) continue;
    text += `${stream === last ? '' : `${stream}:`}${data.toString('latin1')}`;
    last = stream;
  }
  return text;
}

/** A block read in pieces, and by the parser of single lines. */
function both(block: string): readonly [string, string] {
  const entries = block
    .split(/(?<=\n)/)
    .flatMap((line) => parseLogLine(Buffer.from(line, 'latin1'), 'k8s-file') ?? []);
  return [told(outputOf(Buffer.from(block, 'latin1'))), told(entries)];
}

test('lines of one stream are one piece, parts have no newline, torn lines are left out', (t) => {
  const block =
    `${time} stdout F one\n${time} stdout P two \n${time} stdout F three\n${time} stderr F bad\n` +
    `torn line\n${time} stdout\n${time} stdout X no\n${time} stdout F \n2026 stderr F short time\n`;
  const [pieces, entries] = both(block);
  t.is(pieces, 'stdout:one\ntwo three\nstderr:bad\nstdout:\nstderr:short time\n');
  t.is(pieces, entries);
});

test('whatever the bytes, both ways of reading give the same', (t) => {
  let state = 7;
  const random = (limit: number): number => {
    state = (state * 48271) % 0x7fffffff;
    return state % limit;
  };
  const parts = [
    time,
    ' ',
    'stdout',
    'stderr',
    'F',
    'P',
    '\n',
    'text',
    '\u00ff',
    'st',
    '  ',
    ' stdout F ',
    ' stderr P ',
  ];
  for (let run = 0; run < 20_000; run++) {
    const lines = Array.from({ length: 1 + random(4) }, () =>
      random(3) === 0
        ? Array.from({ length: random(9) }, () => parts[random(parts.length)]).join('')
        : `${time} ${random(2) === 0 ? 'stdout' : 'stderr'} ${random(2) === 0 ? 'F' : 'P'} ${'x'.repeat(random(5))}`,
    );
    const block = `${lines.join('\n')}\n`;
    const [pieces, entries] = both(block);
    t.is(pieces, entries, JSON.stringify(block));
  }
});
