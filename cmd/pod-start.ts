/** `coracle pod start`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod start',
  summary: 'Start the containers of pods',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod start shop', 'Its namespaces, then its containers']],
  options: [...podSelectionOptions],
  async handler(values, operands, context) {
    const names = await selectPods(operands, values, context);
    return forEach(names, context, async (name) => printLine(await context.open().startPod(name)));
  },
});
