import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci start',
  summary: 'Execute the process of a created container',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci start box', 'Returns once its program is executed']],
  options: [],
  async handler(_values, [id = ''], call) {
    for (const text of await call.runtime.start(id)) call.warn(text);
    return 0;
  },
});
