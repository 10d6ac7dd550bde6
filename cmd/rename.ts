/** `coracle rename`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'rename',
  summary: 'Give a container another name',
  operands: 'CONTAINER NAME',
  count: [2, 2],
  completes: 'containers',
  examples: [['coracle rename web web-old', 'Running or not']],
  options: [],
  async handler(_values, [container = '', name = ''], { open }) {
    await open().rename(container, name);
    return 0;
  },
});
