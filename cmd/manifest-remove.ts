/** `coracle manifest remove`. */
import { defineCommand } from './command.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'manifest remove',
  summary: 'Take an image out of a list',
  operands: 'LIST DIGEST|IMAGE',
  count: [2, 2],
  completes: 'images',
  examples: [['coracle manifest remove app:1 sha256:…', 'By the digest that manifest inspect shows']],
  options: [],
  async handler(_values, [list = '', image = ''], context) {
    printLine(await context.open().removeFromList(list, image));
    return 0;
  },
});
