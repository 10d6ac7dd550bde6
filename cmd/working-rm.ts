/** `coracle working rm`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'working rm',
  summary: 'Remove working containers',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'working',
  examples: [
    ['coracle working rm $work', 'One of them; the images made of it stay'],
    ['coracle working rm --all', 'All of them'],
  ],
  options: [{ name: 'all', short: 'a', kind: 'switch', summary: 'All of them' }],
  async handler(values, operands, context) {
    if (values.all === operands.length > 0) {
      throw new CoracleError(
        'USAGE',
        values.all
          ? 'use --all: it names all of them'
          : 'coracle working rm: needs at least 1 argument, got 0',
        { hint: 'usage: coracle working rm CONTAINER..., or --all' },
      );
    }
    const { working } = context.open();
    const names = values.all ? (await working.list()).map(({ id }) => id) : operands;
    return forEach(names, context, async (name) => printLine(await working.remove(name)));
  },
});
