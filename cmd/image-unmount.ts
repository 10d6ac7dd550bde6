/** `coracle image unmount`. */
import { defineCommand } from './command.js';
import { imageMounting } from './image-mount.js';
import { unmountNamed } from './mounting.js';

export const command = defineCommand({
  name: 'image unmount',
  summary: 'Unmount images',
  operands: '[IMAGE...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [['coracle image unmount debian', 'In the session that mounted it']],
  options: [{ name: 'all', short: 'a', kind: 'switch', summary: 'All that are mounted' }],
  refused: { 'a mount that is in use stays': 'force,f' },
  handler: (values, operands, context) => unmountNamed(values.all, operands, context, imageMounting(context)),
});
