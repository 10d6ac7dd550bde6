/** `coracle pod restart`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { timeOption } from './options/lifecycle.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod restart',
  summary: 'Stop the containers of pods and start them again',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod restart shop', 'All of its containers']],
  options: [timeOption, ...podSelectionOptions],
  async handler(values, operands, context) {
    const names = await selectPods(operands, values, context);
    return forEach(names, context, async (name) =>
      printLine(await context.open().restartPod(name, { timeout: values.time })),
    );
  },
});
