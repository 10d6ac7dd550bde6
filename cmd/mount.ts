/** `coracle mount`. */
import { defineCommand } from './command.js';
import { mountNamed, mountOptions, ofContainers } from './mounting.js';

export const command = defineCommand({
  name: 'mount',
  summary: 'Mount containers for programs of this host',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [["coracle unshare sh -c 'cp -r site $(coracle mount web)/srv/'", 'Its files, changed by cp']],
  options: mountOptions,
  refused: { 'name the container': 'latest,l' },
  handler: (values, operands, context) => mountNamed(values, operands, context, ofContainers(context)),
});
