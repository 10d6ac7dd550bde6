/** `coracle secret exists`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'secret exists',
  summary: 'Tell whether there is a secret',
  operands: 'SECRET',
  count: [1, 1],
  completes: 'secrets',
  examples: [
    ['coracle secret exists token || coracle secret create token -', 'Exit code 0 if there is one, 1 if not'],
  ],
  options: [],
  async handler(_values, [name = ''], { open }) {
    return (await open().secretExists(name)) ? 0 : 1;
  },
});
