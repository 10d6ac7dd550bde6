/** `coracle volume rm`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach, removalCodes } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'volume rm',
  summary: 'Remove volumes',
  operands: 'VOLUME...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'volumes',
  examples: [
    ['coracle volume rm data', 'With what is in it, unless a container has it'],
    ['coracle volume rm -f data', 'With the containers that have it'],
    ['coracle volume rm --all', 'Every volume'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Every volume' },
    {
      name: 'force',
      short: 'f',
      kind: 'switch',
      summary: 'Containers that have it go first; one that does not exist is no error',
    },
    {
      name: 'time',
      short: 't',
      kind: 'number',
      value: 'SECONDS',
      summary: 'With --force, time for containers to end (default: their own)',
    },
  ],
  async handler(values, operands, context) {
    const { all, force, time: timeout } = values;
    if (all === operands.length > 0) {
      throw new CoracleError('USAGE', 'coracle volume rm: give volumes, or --all');
    }
    if (timeout !== undefined && !force) {
      throw new CoracleError('USAGE', 'use --time: only with --force');
    }
    const coracle = context.open();
    const names = all ? (await coracle.volumes()).map(({ name }) => name) : operands;
    return forEach(
      names,
      context,
      async (name) => {
        try {
          printLine(await coracle.removeVolume(name, { force, timeout }));
        } catch (error) {
          const isMissing = error instanceof CoracleError && error.code === 'NOT_FOUND';
          if (!force || !isMissing) throw error;
        }
      },
      removalCodes,
    );
  },
});
