/** `coracle diff`. */
import type { Coracle } from '../lib/index.js';
import { changesFormat, printChanges } from './changes-output.js';
import { defineCommand } from './command.js';
import { selectContainers } from './selection.js';

export const command = defineCommand({
  name: 'diff',
  summary: 'Show what a container changed over its image, or an image over its base',
  operands: 'CONTAINER|IMAGE [BASE]',
  count: [0, 2],
  completes: 'containers',
  examples: [
    ['coracle diff web', 'A added, C changed, D deleted'],
    ['coracle diff web:2 web:1', 'Of images, as image diff does'],
  ],
  options: [
    { name: 'latest', short: 'l', kind: 'switch', summary: 'The container made last' },
    changesFormat,
  ],
  async handler(values, operands, context) {
    const [first, base] = operands;
    const coracle = context.open();
    if (first !== undefined && (base !== undefined || (await isImage(first, coracle)))) {
      printChanges(await coracle.imageChanges(first, base), values.format);
      return 0;
    }
    const [name = ''] = await selectContainers('diff', operands, values, 'all', context);
    printChanges(await coracle.diff(name), values.format);
    return 0;
  },
});

/** A container's name wins. */
async function isImage(name: string, coracle: Coracle): Promise<boolean> {
  return !(await coracle.containerExists(name)) && (await coracle.imageExists(name));
}
