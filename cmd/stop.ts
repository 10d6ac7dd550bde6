/** `coracle stop`. */
import { defineCommand } from './command.js';
import { forEachTogether } from './each.js';
import { namesOrAll } from './operands.js';

export const command = defineCommand({
  name: 'stop',
  summary: 'Stop running containers',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'running',
  examples: [
    ['coracle stop web', 'Ask it to end, kill it after its timeout'],
    ['coracle stop -t 1 -a', 'All that run, with one second each'],
  ],
  options: [
    {
      name: 'time',
      short: 't',
      kind: 'number',
      value: 'SECONDS',
      aliases: ['timeout'],
      summary: 'Seconds before it is killed (default: as the container was made with)',
    },
    {
      name: 'signal',
      short: 's',
      kind: 'string',
      value: 'SIGNAL',
      summary: 'Signal to send first (default: as the container was made with)',
    },
    { name: 'all', short: 'a', kind: 'switch', summary: 'All that run' },
    { name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' },
  ],
  refused: {
    'name the container': 'latest,l filter,f cidfile',
  },
  async handler(values, operands, context) {
    const names = await namesOrAll('stop', operands, values.all ? 'running' : undefined, context);
    return forEachTogether(names, context, (name) =>
      context.open().stop(name, {
        timeout: values.time,
        signal: values.signal,
        ignoreMissing: values.ignore,
      }),
    );
  },
});
