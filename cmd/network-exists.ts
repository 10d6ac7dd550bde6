/** `coracle network exists`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'network exists',
  summary: 'Tell whether there is a network',
  operands: 'NETWORK',
  count: [1, 1],
  completes: 'networks',
  examples: [
    ['coracle network exists shop || coracle network create shop', 'Exit code 0 if there is one, 1 if not'],
  ],
  options: [],
  async handler(_values, [name = ''], { open }) {
    return (await open().networkExists(name)) ? 0 : 1;
  },
});
