/** `coracle image exists`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'image exists',
  summary: 'Tell whether there is an image',
  operands: 'IMAGE',
  count: [1, 1],
  completes: 'images',
  examples: [
    ['coracle image exists app:1 || coracle build -t app:1 .', 'Exit code 0 if there is one, 1 if not'],
  ],
  options: [],
  async handler(_values, [name = ''], { open }) {
    return (await open().imageExists(name)) ? 0 : 1;
  },
});
