/** `coracle working mount`. */
import { type Context, defineCommand } from './command.js';
import { type Mounting, mountNamed, mountOptions } from './mounting.js';

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
  handler: (values, operands, context) => mountNamed(values, operands, context, mounting(context)),
});

function mounting(context: Context): Mounting {
  const { working } = context.open();
  return {
    mount: (name) => working.mount(name),
    unmount: (name) => working.unmount(name),
    mounted: () => working.mounted(),
    all: async () => (await working.list()).map((one) => one.name),
  };
}
