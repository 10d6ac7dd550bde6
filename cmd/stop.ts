/** `coracle stop`. */
import { defineCommand } from './command.js';
import { forEachTogether } from './each.js';
import { timeOption } from './options/lifecycle.js';
import { selectContainers, selectionOptions } from './selection.js';

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
    timeOption,
    {
      name: 'signal',
      short: 's',
      kind: 'string',
      value: 'SIGNAL',
      summary: 'Signal to send first (default: as the container was made with)',
    },
    ...selectionOptions,
    { name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' },
  ],
  async handler(values, operands, context) {
    const names = await selectContainers('stop', operands, values, 'running', context);
    return forEachTogether(names, context, (name) =>
      context.open().stop(name, {
        timeout: values.time,
        signal: values.signal,
        ignoreMissing: values.ignore,
      }),
    );
  },
});
