/** `coracle mount`. */
import { type Context, defineCommand } from './command.js';
import { type Mounting, mountNamed, mountOptions } from './mounting.js';

export const command = defineCommand({
  name: 'mount',
  summary: 'Mount containers for programs of this host',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [["coracle unshare sh -c 'cp -r site $(coracle mount web)/srv/'", 'Its files, changed by cp']],
  options: mountOptions,
  refused: { 'name the container': 'latest,l' },
  handler: (values, operands, context) => mountNamed(values, operands, context, mounting(context)),
});

function mounting(context: Context): Mounting {
  const coracle = context.open();
  return {
    mount: (name) => coracle.mount(name),
    unmount: (name) => coracle.unmount(name),
    mounted: () => coracle.mounted(),
    all: async () => (await coracle.containers({ all: true })).map((one) => one.name),
  };
}
