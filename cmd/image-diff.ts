/** `coracle image diff`. */
import { changesFormat, printChanges } from './changes-output.js';
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'image diff',
  summary: 'Show what the uppermost layer of an image changes',
  operands: 'IMAGE [BASE]',
  count: [1, 2],
  completes: 'images',
  examples: [
    ['coracle image diff web', 'A added, C changed, D deleted'],
    ['coracle image diff web:2 web:1', 'What differs from another image'],
  ],
  options: [changesFormat],
  async handler({ format }, [image = '', base], context) {
    printChanges(await context.open().imageChanges(image, base), format);
    return 0;
  },
});
