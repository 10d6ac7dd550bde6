/** `coracle network rm`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'network rm',
  summary: 'Remove networks',
  operands: 'NETWORK...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'networks',
  examples: [
    ['coracle network rm shop', 'Unless a container is on it'],
    ['coracle network rm -f shop', 'With the containers that are on it'],
  ],
  options: [
    {
      name: 'force',
      short: 'f',
      kind: 'switch',
      summary: 'Containers on it go first; one that does not exist is no error',
    },
  ],
  refused: { 'containers are killed': 'time,t' },
  async handler({ force }, names, context) {
    return forEach(names, context, async (name) => {
      try {
        printLine(await context.open().removeNetwork(name, { force }));
      } catch (error) {
        const isMissing = error instanceof CoracleError && error.code === 'NOT_FOUND';
        if (!force || !isMissing) throw error;
      }
    });
  },
});
