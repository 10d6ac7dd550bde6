import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci delete',
  summary: 'Remove what is left of a stopped container',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci delete --force box', 'Whatever it does, and also where there is none']],
  options: [{ name: 'force', short: 'f', kind: 'switch', summary: 'Kill it if it runs' }],
  async handler(values, [id = ''], call) {
    for (const text of await call.runtime.delete(id, values.force)) call.warn(text);
    return 0;
  },
});
