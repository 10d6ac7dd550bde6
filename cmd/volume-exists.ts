/** `coracle volume exists`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'volume exists',
  summary: 'Tell whether there is a volume',
  operands: 'VOLUME',
  count: [1, 1],
  completes: 'volumes',
  examples: [
    ['coracle volume exists data || coracle volume create data', 'Exit code 0 if there is one, 1 if not'],
  ],
  options: [],
  async handler(_values, [name = ''], { open }) {
    return (await open().volumeExists(name)) ? 0 : 1;
  },
});
