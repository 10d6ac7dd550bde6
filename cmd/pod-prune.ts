/** `coracle pod prune`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod prune',
  summary: 'Remove pods of which nothing runs',
  operands: '',
  count: [0, 0],
  examples: [['coracle pod prune -f', 'Those that ended, with their containers']],
  options: [{ name: 'force', short: 'f', kind: 'switch', summary: 'Accepted: nothing is asked' }],
  async handler(_values, _operands, context) {
    const pods = await context.open().pods();
    const ended = pods.filter(({ status }) => status === 'Exited');
    return forEach(
      ended.map(({ id }) => id),
      context,
      async (id) => printLine(await context.open().removePod(id)),
    );
  },
});
