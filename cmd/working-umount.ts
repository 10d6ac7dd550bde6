/** `coracle working umount`. */
import { type Context, defineCommand } from './command.js';
import { type Mounting, unmountNamed } from './mounting.js';

export const command = defineCommand({
  name: 'working umount',
  summary: 'Unmount working containers',
  operands: '[CONTAINER...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'working',
  examples: [['coracle working umount $work', 'In the session that mounted it']],
  options: [{ name: 'all', short: 'a', kind: 'switch', summary: 'All that are mounted' }],
  handler: (values, operands, context) => unmountNamed(values.all, operands, context, mounting(context)),
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
