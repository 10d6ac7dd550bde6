/** `coracle logs`. */
import { CoracleError, type LogEntry, type LogPiece, type NamedLogEntry } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { interruptible } from './interrupt.js';
import { parseMoment } from './options/moment.js';
import { latestOption, selectContainers } from './selection.js';
import { BatchedOutput } from './terminal/batched-output.js';
import { writeAll } from './terminal/output.js';

export const command = defineCommand({
  name: 'logs',
  summary: 'Print the logs of containers',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle logs web', 'All it printed'],
    ['coracle logs -f --tail 20 web', 'The last 20 lines, then what comes'],
    ['coracle logs -t --since 10m web', 'The last ten minutes, with times'],
    ['coracle logs -f --names --color web db', 'Of two, in the order of time, each line with a name'],
  ],
  options: [
    { name: 'follow', short: 'f', kind: 'switch', summary: 'Go on until the containers end' },
    { name: 'tail', short: 'n', kind: 'string', value: 'N', summary: 'Only the last N lines, or "all"' },
    {
      name: 'since',
      kind: 'string',
      value: 'TIME',
      summary: 'Not what was printed before: RFC 3339, Unix seconds, or an age such as 10m',
    },
    { name: 'until', kind: 'string', value: 'TIME', summary: 'Not what was printed after' },
    { name: 'timestamps', short: 't', kind: 'switch', summary: 'Put the time in front of each line' },
    { name: 'names', kind: 'switch', summary: 'Of several containers: names instead of ids' },
    { name: 'color', kind: 'switch', summary: 'Of several containers: a colour for each' },
    latestOption,
  ],
  refused: { 'logs have no attributes': 'details' },
  async handler(values, operands, context) {
    const now = Date.now();
    const options = {
      follow: values.follow,
      tail: readTail(values.tail),
      since: values.since === undefined ? undefined : parseMoment(values.since, now),
      until: values.until === undefined ? undefined : parseMoment(values.until, now),
    };
    const names = await selectContainers('logs', operands, values, 'all', context);
    const open = (name: string, signal: AbortSignal): AsyncGenerator<LogEntry> =>
      context.open().logs(name, { ...options, signal });
    const output = new BatchedOutput();
    return interruptible(async (signal) => {
      if (names.length > 1) {
        const prefixes = await readPrefixes(names, values.names, values.color);
        const print = linePrinter(prefixes, values.timestamps, output);
        for await (const named of context.open().mergedLogs(names, { ...options, signal })) print(named);
        return signal.aborted ? 130 : 0;
      }
      const code = await forEach(names, context, async (name) => {
        const isWhole = [options.tail, options.since, options.until].every((limit) => limit === undefined);
        if (isWhole && !values.timestamps)
          return printAll(context.open().output(name, { ...options, signal }));
        const print = values.timestamps ? timedPrinter(output) : entryPrinter(output);
        for await (const entry of open(name, signal)) print(entry);
      });
      return signal.aborted ? 130 : code;
    }).finally(() => output.flush());

    async function readPrefixes(
      all: readonly string[],
      byName: boolean,
      coloured: boolean,
    ): Promise<readonly string[]> {
      const known = await context.open().containers({ all: true });
      return all.map((text, index) => {
        const one = known.find(({ name }) => name === text) ?? known.find(({ id }) => id.startsWith(text));
        const label = byName ? (one?.name ?? text) : (one?.id.slice(0, 12) ?? text);
        return coloured ? `\u001b[${31 + (index % 6)}m${label}\u001b[0m` : label;
      });
    }
  },
});

function readTail(text: string | undefined): number | undefined {
  if (text === undefined || text === 'all' || text === '-1') return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new CoracleError('USAGE', `invalid argument "${text}" for --tail: must be a number or "all"`);
}

/** All of it, each stream to its own. */
async function printAll(pieces: AsyncIterable<LogPiece>): Promise<void> {
  for await (const { stream, data } of pieces) writeAll(stream === 'stderr' ? 2 : 1, data);
}

/** The container's bytes as they were, each stream to its own. */
function entryPrinter(output: BatchedOutput): (entry: LogEntry) => void {
  return ({ stream, data }) => output.write(stream === 'stderr' ? 2 : 1, data);
}

/** A time in front of every line; the parts of one line get one. */
function timedPrinter(output: BatchedOutput): (entry: LogEntry) => void {
  const print = entryPrinter(output);
  const open = new Set<LogEntry['stream']>();
  return (entry) => {
    if (!open.has(entry.stream)) output.write(entry.stream === 'stderr' ? 2 : 1, `${entry.time} `);
    print(entry);
    if (entry.data.at(-1) === 0x0a) open.delete(entry.stream);
    else open.add(entry.stream);
  };
}

/** Whole lines of several containers, each behind whose it is: their parts would get mixed. */
function linePrinter(
  prefixes: readonly string[],
  timed: boolean,
  output: BatchedOutput,
): (named: NamedLogEntry) => void {
  const parts = new Map<string, Buffer[]>();
  return ({ source, entry }) => {
    const key = `${source} ${entry.stream}`;
    const line = [...(parts.get(key) ?? []), entry.data];
    if (entry.data.at(-1) !== 0x0a) {
      parts.set(key, line);
      return;
    }
    parts.delete(key);
    const head = `${prefixes[source]} ${timed ? `${entry.time} ` : ''}`;
    output.write(entry.stream === 'stderr' ? 2 : 1, Buffer.concat([Buffer.from(head), ...line]));
  };
}
