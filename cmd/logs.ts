/** `coracle logs`. */
import { CoracleError, type LogEntry } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { interruptible } from './interrupt.js';
import { parseMoment } from './options/moment.js';
import { writeAll } from './terminal/output.js';

export const command = defineCommand({
  name: 'logs',
  summary: 'Print the log of a container',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'containers',
  examples: [
    ['coracle logs web', 'All it printed'],
    ['coracle logs -f --tail 20 web', 'The last 20 lines, then what comes'],
    ['coracle logs -t --since 10m web', 'The last ten minutes, with times'],
  ],
  options: [
    { name: 'follow', short: 'f', kind: 'switch', summary: 'Go on until the container ends' },
    { name: 'tail', short: 'n', kind: 'string', value: 'N', summary: 'Only the last N lines, or "all"' },
    {
      name: 'since',
      kind: 'string',
      value: 'TIME',
      summary: 'Not what was printed before: RFC 3339, Unix seconds, or an age such as 10m',
    },
    { name: 'until', kind: 'string', value: 'TIME', summary: 'Not what was printed after' },
    { name: 'timestamps', short: 't', kind: 'switch', summary: 'Put the time in front of each line' },
  ],
  refused: {
    'output is never coloured': 'color',
    'it prints one log at a time': 'names latest,l',
    'logs have no attributes': 'details',
  },
  async handler(values, [name = ''], context) {
    const now = Date.now();
    const options = {
      follow: values.follow,
      tail: readTail(values.tail),
      since: values.since === undefined ? undefined : parseMoment(values.since, now),
      until: values.until === undefined ? undefined : parseMoment(values.until, now),
    };
    return interruptible(async (signal) => {
      const code = await forEach([name], context, async () => {
        const print = values.timestamps ? timedPrinter() : printEntry;
        for await (const entry of context.open().logs(name, { ...options, signal })) print(entry);
      });
      return signal.aborted ? 130 : code;
    });
  },
});

function readTail(text: string | undefined): number | undefined {
  if (text === undefined || text === 'all' || text === '-1') return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  throw new CoracleError('USAGE', `invalid argument "${text}" for --tail: must be a number or "all"`);
}

/** The container's bytes as they were, each stream to its own. */
function printEntry(entry: LogEntry): void {
  writeAll(entry.stream === 'stderr' ? 2 : 1, entry.data);
}

/** A time in front of every line; the parts of one line get one. */
function timedPrinter(): (entry: LogEntry) => void {
  const open = new Set<LogEntry['stream']>();
  return (entry) => {
    if (!open.has(entry.stream)) writeAll(entry.stream === 'stderr' ? 2 : 1, `${entry.time} `);
    printEntry(entry);
    if (entry.data.at(-1) === 0x0a) open.delete(entry.stream);
    else open.add(entry.stream);
  };
}
