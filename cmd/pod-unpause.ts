/** `coracle pod unpause`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod unpause',
  summary: 'Let paused pods go on',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod unpause shop', 'What stood still goes on']],
  options: [...podSelectionOptions],
  async handler(values, operands, context) {
    const names = await selectPods(operands, values, context);
    return forEach(names, context, async (name) => printLine(await context.open().unpausePod(name)));
  },
});
