/** `coracle pod kill`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod kill',
  summary: 'Send a signal to the containers of pods',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod kill shop', 'KILL, to all of its containers']],
  options: [
    {
      name: 'signal',
      short: 's',
      kind: 'string',
      value: 'SIGNAL',
      summary: 'Signal by name or number (default: KILL)',
    },
    ...podSelectionOptions,
  ],
  async handler(values, operands, context) {
    const names = await selectPods(operands, values, context);
    return forEach(names, context, async (name) =>
      printLine(await context.open().killPod(name, values.signal)),
    );
  },
});
