/** `coracle volume unmount`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'volume unmount',
  summary: 'Undo volume mount',
  operands: 'VOLUME...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'volumes',
  examples: [['coracle volume unmount data', 'Its files stay where they are']],
  options: [],
  async handler(_values, names, context) {
    return forEach(names, context, async (name) => {
      printLine((await context.open().unmountVolume(name)).name);
    });
  },
});
