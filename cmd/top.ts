/** `coracle top`. */
import { defineCommand } from './command.js';
import { selectContainers } from './selection.js';
import { printTable } from './terminal/output.js';

export const command = defineCommand({
  name: 'top',
  summary: 'Show the processes of a container',
  operands: 'CONTAINER [COLUMN...]',
  count: [0, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  completes: 'running',
  examples: [
    ['coracle top web', 'User, pids, times and commands'],
    ['coracle top web pid hpid huser capeff', 'Chosen columns; those with h are of this host'],
  ],
  options: [{ name: 'latest', short: 'l', kind: 'switch', summary: 'The container made last' }],
  async handler(values, operands, context) {
    const names = values.latest ? [] : operands.slice(0, 1);
    const format = values.latest ? operands : operands.slice(1);
    const [name = ''] = await selectContainers('top', names, values, 'running', context);
    // docker's users give options of ps: -o and its value, or a style.
    const columns = format.filter((word) => word !== '-o' && word !== '-eo');
    const { titles, rows } = await context.open().top(name, columns);
    printTable(titles, rows);
    return 0;
  },
});
