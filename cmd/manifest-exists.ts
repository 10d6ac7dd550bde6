/** `coracle manifest exists`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'manifest exists',
  summary: 'Tell whether there is a list',
  operands: 'LIST',
  count: [1, 1],
  completes: 'images',
  examples: [
    [
      'coracle manifest exists app:1 || coracle manifest create app:1',
      'Exit code 0 if there is one, 1 if not',
    ],
  ],
  options: [],
  async handler(_values, [list = ''], { open }) {
    return (await open().listExists(list)) ? 0 : 1;
  },
});
