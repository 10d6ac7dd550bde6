/** `coracle working mount`. */
import { defineCommand } from './command.js';
import { mountNamed, mountOptions, ofWorking } from './mounting.js';

export const command = defineCommand({
  name: 'working mount',
  summary: 'Mount working containers for programs of this host',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'working',
  examples: [
    ["coracle unshare sh -c 'cp -r site $(coracle working mount $work)/srv/'", 'Its files, changed by cp'],
  ],
  options: mountOptions,
  handler: (values, operands, context) => mountNamed(values, operands, context, ofWorking(context)),
});
