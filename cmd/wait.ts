/** `coracle wait`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'wait',
  summary: 'Wait until containers stop, print their exit codes',
  operands: 'CONTAINER...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [['coracle wait job', 'Print the exit code of job when it has ended']],
  options: [{ name: 'ignore', kind: 'switch', summary: 'Print -1 for one that does not exist' }],
  refused: {
    'it waits for the end': 'condition',
    'it hears of the end at once': 'interval,i',
    'name the container': 'latest,l',
  },
  handler(values, operands, context) {
    return forEach(operands, context, async (name) => {
      printLine(`${await context.open().wait(name, { ignoreMissing: values.ignore })}`);
    });
  },
});
