/** `coracle secret rm`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'secret rm',
  summary: 'Remove secrets',
  operands: 'SECRET...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'secrets',
  examples: [
    ['coracle secret rm token', 'Containers that have it keep their copies'],
    ['coracle secret rm --all', 'Every secret'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Every secret' },
    { name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' },
  ],
  async handler(values, operands, context) {
    if (values.all === operands.length > 0) {
      throw new CoracleError('USAGE', 'coracle secret rm: give secrets, or --all');
    }
    const coracle = context.open();
    const names = values.all ? (await coracle.secrets()).map(({ name }) => name) : operands;
    return forEach(names, context, async (name) => {
      if (values.ignore && !(await coracle.secretExists(name))) return;
      printLine(await coracle.removeSecret(name));
    });
  },
});
