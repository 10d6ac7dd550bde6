import { printLine } from '../terminal/output.js';
import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci state',
  summary: 'Show the state of a container as JSON',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci state box', 'creating, created, running, paused or stopped']],
  options: [],
  async handler(_values, [id = ''], { runtime }) {
    printLine(JSON.stringify(await runtime.state(id), undefined, 2));
    return 0;
  },
});
