import { defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci pause',
  summary: 'Have the processes of a container stand still',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci pause box', 'By its cgroup, or where it has none by signals']],
  options: [],
  async handler(_values, [id = ''], { runtime }) {
    await runtime.pause(id);
    return 0;
  },
});
