import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci pause',
  summary: 'Have the processes of a container stand still',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci pause box', 'By signals, because there is no cgroup']],
  options: [],
  async handler(_values, [id = ''], { runtime }) {
    await runtime.pause(id);
    return 0;
  },
});
