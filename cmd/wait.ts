/** `coracle wait`. */
import {
  CoracleError,
  parseDuration,
  type WaitCondition,
  type WaitRequest,
  waitConditions,
} from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { cidfileOption, latestOption, selectContainers } from './selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'wait',
  summary: 'Wait until containers stop, print their exit codes',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle wait job', 'Print the exit code of job when it has ended'],
    ['coracle wait --condition healthy db', 'Until its health check says that it does well'],
    ['coracle wait --return-on-first one two', 'Until the first of them has ended'],
  ],
  options: [
    {
      name: 'condition',
      kind: 'list',
      value: 'CONDITION',
      suggests: waitConditions,
      summary: `What is waited for, any of: ${waitConditions.join(', ')} (default: stopped)`,
    },
    {
      name: 'interval',
      short: 'i',
      kind: 'string',
      value: 'TIME',
      summary: 'Look again after so long, if nothing told of a change before (default: 500ms)',
    },
    { name: 'ignore', kind: 'switch', summary: 'Print -1 for one that does not exist' },
    {
      name: 'return-on-first',
      kind: 'switch',
      aliases: ['exit-first-match'],
      summary: 'End with the first container for which it holds',
    },
    latestOption,
    cidfileOption,
  ],
  async handler(values, operands, context) {
    const conditions = values.condition.flatMap((text) => text.split(',')).map(readCondition);
    const request: WaitRequest = {
      ignoreMissing: values.ignore,
      interval: values.interval === undefined ? undefined : readInterval(values.interval),
      conditions: conditions.length === 0 ? undefined : conditions,
    };
    const names = await selectContainers('wait', operands, values, 'all', context);
    if (!values['return-on-first']) {
      return forEach(names, context, async (name) => {
        printLine(`${await context.open().wait(name, request)}`);
      });
    }
    const others = new AbortController();
    const waits = names.map((name) => context.open().wait(name, { ...request, signal: others.signal }));
    try {
      printLine(`${await Promise.race(waits)}`);
    } finally {
      others.abort();
      await Promise.allSettled(waits);
    }
    return 0;
  },
});

function readCondition(text: string): WaitCondition {
  const condition = waitConditions.find((known) => known === text);
  if (condition !== undefined) return condition;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --condition: no such condition`, {
    hint: waitConditions.join(', '),
  });
}

/** Milliseconds; a bare number is one of them, as podman reads it. */
function readInterval(text: string): number {
  const time = /^\d+$/.test(text) ? Number(text) : (parseDuration(text) ?? 0) / 1e6;
  if (time >= 1) return time;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --interval: not a time`, {
    hint: 'such as 500ms or 2s',
  });
}
