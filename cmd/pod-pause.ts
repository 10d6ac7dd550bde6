/** `coracle pod pause`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod pause',
  summary: 'Let the containers of pods stand still',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod pause shop', 'Until coracle pod unpause shop']],
  options: [...podSelectionOptions],
  async handler(values, operands, context) {
    const names = await selectPods(operands, values, context);
    return forEach(names, context, async (name) => printLine(await context.open().pausePod(name)));
  },
});
