/** `coracle unpause`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { selectContainers, selectionOptions } from './selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'unpause',
  summary: 'Let paused containers go on',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'running',
  examples: [
    ['coracle unpause web', 'Prints its name'],
    ['coracle unpause --all', 'All that are paused'],
  ],
  options: [...selectionOptions],
  async handler(values, operands, context) {
    const names = await selectContainers('unpause', operands, values, 'paused', context);
    return forEach(names, context, async (name) => {
      await context.open().unpause(name);
      printLine(name);
    });
  },
});
