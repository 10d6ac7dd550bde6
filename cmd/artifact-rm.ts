/** `coracle artifact rm`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach, removalCodes } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'artifact rm',
  summary: 'Remove artifacts',
  operands: 'NAME...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'artifacts',
  examples: [
    ['coracle artifact rm quay.io/me/model:1', 'By name, or by digest'],
    ['coracle artifact rm -a', 'All of them'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'All of them' },
    { name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' },
  ],
  async handler({ all, ignore }, operands, context) {
    if (all === operands.length > 0) {
      throw new CoracleError('USAGE', 'coracle artifact rm: name artifacts, or give --all');
    }
    const coracle = context.open();
    const names = all ? (await coracle.artifacts()).map(({ name }) => name) : operands;
    return forEach(
      names,
      context,
      async (name) => {
        try {
          printLine(await coracle.removeArtifact(name));
        } catch (error) {
          if (!ignore || !(error instanceof CoracleError) || error.code !== 'NOT_FOUND') throw error;
        }
      },
      removalCodes,
    );
  },
});
