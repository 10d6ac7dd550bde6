/** `coracle pod rm`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach, removalCodes } from './each.js';
import { timeOption } from './options/lifecycle.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod rm',
  summary: 'Remove pods with their containers',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [['coracle pod rm shop', 'If none of its containers runs']],
  options: [
    { name: 'force', short: 'f', kind: 'switch', summary: 'Also those whose containers run' },
    { name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' },
    timeOption,
    ...podSelectionOptions,
  ],
  async handler(values, operands, context) {
    const names = await selectPods(operands, values, context);
    const { force, time: timeout } = values;
    const remove = async (name: string): Promise<void> => {
      try {
        printLine(await context.open().removePod(name, { force, timeout }));
      } catch (error) {
        if (!(values.ignore && error instanceof CoracleError && error.code === 'NOT_FOUND')) throw error;
      }
    };
    return forEach(names, context, remove, removalCodes);
  },
});
