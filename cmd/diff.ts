/** `coracle diff`. */
import { changesFormat, printChanges } from './changes-output.js';
import { defineCommand } from './command.js';
import { selectContainers } from './selection.js';

export const command = defineCommand({
  name: 'diff',
  summary: 'Show what a container changed over its image',
  operands: 'CONTAINER',
  count: [0, 1],
  completes: 'containers',
  examples: [['coracle diff web', 'A added, C changed, D deleted']],
  options: [
    { name: 'latest', short: 'l', kind: 'switch', summary: 'The container made last' },
    changesFormat,
  ],
  async handler(values, operands, context) {
    const [name = ''] = await selectContainers('diff', operands, values, 'all', context);
    printChanges(await context.open().diff(name), values.format);
    return 0;
  },
});
