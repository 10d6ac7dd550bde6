/** `coracle pod top`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { printTable } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod top',
  summary: 'Show the processes of the containers of a pod',
  operands: 'POD [COLUMN...]',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'pods',
  stopAtOperand: true,
  examples: [['coracle pod top shop pid args', 'Of all of its containers that run']],
  options: [],
  async handler(_values, [pod = '', ...columns], context) {
    const { name, members } = await context.open().pod(pod);
    const running = members.filter(({ status }) => status === 'running');
    const tables = await Promise.all(running.map(({ record }) => context.open().top(record.id, columns)));
    const [first] = tables;
    if (first === undefined) {
      throw new CoracleError('CONFLICT', `show processes of pod ${name}: nothing of it runs`, {
        hint: `coracle pod start ${name}`,
      });
    }
    printTable(
      first.titles,
      tables.flatMap(({ rows }) => rows),
    );
    return 0;
  },
});
