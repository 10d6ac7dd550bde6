/** `coracle working rename`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'working rename',
  summary: 'Give a working container another name',
  operands: 'CONTAINER NAME',
  count: [2, 2],
  completes: 'working',
  examples: [['coracle working rename debian-working-container base', '']],
  options: [],
  async handler(_values, [container = '', name = ''], { open }) {
    await open().working.rename(container, name);
    return 0;
  },
});
