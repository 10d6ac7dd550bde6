/** `coracle kill`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { selectContainers, selectionOptions } from './selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'kill',
  summary: 'Send a signal to running containers',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'running',
  examples: [
    ['coracle kill web', 'End it at once'],
    ['coracle kill -s HUP web', 'Have it read its configuration again'],
  ],
  options: [
    {
      name: 'signal',
      short: 's',
      kind: 'string',
      value: 'SIGNAL',
      summary: 'Name or number (default: KILL)',
    },
    ...selectionOptions,
  ],
  async handler(values, operands, context) {
    const names = await selectContainers('kill', operands, values, 'running', context);
    return forEach(names, context, async (name) => {
      await context.open().kill(name, { signal: values.signal });
      printLine(name);
    });
  },
});
