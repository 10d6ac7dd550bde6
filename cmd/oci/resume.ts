import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci resume',
  summary: 'Let them go on',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci resume box', 'By its cgroup, or where it has none by signals']],
  options: [],
  async handler(_values, [id = ''], { runtime }) {
    await runtime.resume(id);
    return 0;
  },
});
