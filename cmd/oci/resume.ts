import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci resume',
  summary: 'Let them go on',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci resume box', 'By signals, because there is no cgroup']],
  options: [],
  async handler(_values, [id = ''], { runtime }) {
    await runtime.resume(id);
    return 0;
  },
});
