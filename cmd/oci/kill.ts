import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci kill',
  summary: 'Send a signal to the process of a container',
  operands: 'CONTAINER [SIGNAL]',
  count: [1, 2],
  completes: 'nothing',
  examples: [['coracle oci kill box KILL', 'SIGTERM unless told otherwise']],
  options: [{ name: 'all', short: 'a', kind: 'switch', summary: 'To all its processes' }],
  async handler(values, [id = '', signal = 'TERM'], { runtime }) {
    await runtime.kill(id, signal, values.all);
    return 0;
  },
});
