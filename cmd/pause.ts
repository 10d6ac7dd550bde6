/** `coracle pause`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { selectContainers, selectionOptions } from './selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pause',
  summary: 'Have the processes of containers stand still',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'running',
  examples: [
    ['coracle pause web', 'Prints its name'],
    ['coracle pause --all', 'All that run'],
  ],
  options: [...selectionOptions],
  async handler(values, operands, context) {
    const names = await selectContainers('pause', operands, values, 'running', context);
    return forEach(names, context, async (name) => {
      await context.open().pause(name);
      printLine(name);
    });
  },
});
