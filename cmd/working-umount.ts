/** `coracle working umount`. */
import { defineCommand } from './command.js';
import { ofWorking, unmountNamed } from './mounting.js';

export const command = defineCommand({
  name: 'working umount',
  summary: 'Unmount working containers',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'working',
  examples: [['coracle working umount $work', 'In the session that mounted it']],
  options: [{ name: 'all', short: 'a', kind: 'switch', summary: 'All that are mounted' }],
  handler: (values, operands, context) => unmountNamed(values.all, operands, context, ofWorking(context)),
});
