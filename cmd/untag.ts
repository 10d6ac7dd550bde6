/** `coracle untag`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'untag',
  summary: 'Take names away from an image',
  operands: 'IMAGE [NAME...]',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle untag web web:old', 'One name; the image stays, also without any name'],
    ['coracle untag web', 'All its names'],
  ],
  options: [],
  async handler(_values, [image = '', ...names], context) {
    await context.open().untag(image, names);
    return 0;
  },
});
