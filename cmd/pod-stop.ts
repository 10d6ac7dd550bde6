/** `coracle pod stop`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { timeOption } from './options/lifecycle.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod stop',
  summary: 'Stop the containers of pods',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod stop shop', 'Its containers, then what holds its namespaces']],
  options: [timeOption, ...podSelectionOptions],
  async handler(values, operands, context) {
    const names = await selectPods(operands, values, context);
    return forEach(names, context, async (name) =>
      printLine(await context.open().stopPod(name, { timeout: values.time })),
    );
  },
});
