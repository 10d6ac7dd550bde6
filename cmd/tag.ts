/** `coracle tag`. */
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'tag',
  summary: 'Give an image another name',
  operands: 'IMAGE NAME...',
  count: [2, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle tag hello hello:1', 'localhost/hello:1 beside localhost/hello:latest'],
    ['coracle tag hello registry.example.com/team/hello:1', 'The name to push it by'],
  ],
  options: [],
  async handler(_values, [image = '', ...names], context) {
    for (const name of names) await context.open().tag(image, name);
    return 0;
  },
});
