/** `coracle umount`. */
import { defineCommand } from './command.js';
import { ofContainers, unmountNamed } from './mounting.js';

export const command = defineCommand({
  name: 'umount',
  summary: 'Unmount containers',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [['coracle umount web', 'In the session that mounted it']],
  options: [{ name: 'all', short: 'a', kind: 'switch', summary: 'All that are mounted' }],
  refused: { 'a mount that is in use stays': 'force,f', 'name the container': 'latest,l' },
  handler: (values, operands, context) => unmountNamed(values.all, operands, context, ofContainers(context)),
});
