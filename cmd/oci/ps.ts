import { printLine, printTable } from '../terminal/output.js';
import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci ps',
  summary: 'Show the processes of a container',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci ps -f json box', 'Their pids, as the host sees them']],
  options: [
    { name: 'format', short: 'f', kind: 'string', choices: ['table', 'json'], summary: 'How they are shown' },
  ],
  async handler(values, [id = ''], { runtime }) {
    const found = await runtime.processes(id);
    if (values.format === 'json') printLine(JSON.stringify(found.map(({ pid }) => pid)));
    else
      printTable(
        ['PID', 'PPID', 'COMMAND'],
        found.map(({ pid, parent, arguments: words }) => [`${pid}`, `${parent}`, words.join(' ')]),
      );
    return 0;
  },
});
