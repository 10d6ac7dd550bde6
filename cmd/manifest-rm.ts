/** `coracle manifest rm`. */
import { defineCommand } from './command.js';
import { forEach, removalCodes } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'manifest rm',
  summary: 'Remove lists; their images stay where they have names',
  operands: 'LIST...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [['coracle manifest rm app:1', 'The list alone']],
  options: [{ name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' }],
  handler(values, lists, context) {
    return forEach(
      lists,
      context,
      async (list) => {
        const coracle = context.open();
        if (values.ignore && !(await coracle.listExists(list))) return;
        printLine(`Untagged: ${await coracle.removeList(list)}`);
      },
      removalCodes,
    );
  },
});
