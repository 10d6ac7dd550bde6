import { printLine, printTable } from '../terminal/output.js';
import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci list',
  summary: 'List the containers of bundles',
  operands: '',
  count: [0, 0],
  completes: 'nothing',
  examples: [['coracle oci list -f json', 'For programs']],
  options: [
    { name: 'format', short: 'f', kind: 'string', choices: ['table', 'json'], summary: 'How they are shown' },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Their names only' },
  ],
  async handler(values, _operands, { runtime }) {
    const states = await runtime.list();
    if (values.quiet) for (const { id } of states) printLine(id);
    else if (values.format === 'json') printLine(JSON.stringify(states));
    else
      printTable(
        ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED'],
        states.map(({ id, pid, status, bundle, created }) => [id, `${pid}`, status, bundle, created]),
      );
    return 0;
  },
});
