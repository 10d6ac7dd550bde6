/** `coracle container exists`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'container exists',
  summary: 'Tell whether there is a container',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'containers',
  examples: [
    [
      'coracle container exists web || coracle create --name web hello',
      'Exit code 0 if there is one, 1 if not',
    ],
  ],
  options: [],
  refused: { 'other programs have stores of their own': 'external' },
  async handler(_values, [name = ''], { open }) {
    return (await open().containerExists(name)) ? 0 : 1;
  },
});
