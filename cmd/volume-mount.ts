/** `coracle volume mount`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'volume mount',
  summary: "Print where a volume's files are",
  operands: 'VOLUME...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'volumes',
  examples: [
    ['ls "$(coracle volume mount data)"', 'What of it this user may read: nothing needs mounting'],
    [
      'coracle unshare sh -c \'ls -l "$(coracle volume mount data)"\'',
      'All of it, with the ids of containers',
    ],
  ],
  options: [],
  async handler(_values, names, context) {
    return forEach(names, context, async (name) => {
      printLine((await context.open().mountVolume(name)).mountpoint);
    });
  },
});
