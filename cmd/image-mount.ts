/** `coracle image mount`. */
import { type Context, defineCommand } from './command.js';
import { type Mounting, mountNamed, mountOptions } from './mounting.js';

export const command = defineCommand({
  name: 'image mount',
  summary: 'Mount images for programs of this host, in coracle unshare',
  operands: '[IMAGE...]',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ["coracle unshare sh -c 'ls $(coracle image mount debian)/etc'", 'Its files, which cannot be changed'],
  ],
  options: mountOptions,
  handler: (values, operands, context) => mountNamed(values, operands, context, imageMounting(context)),
});

/** The verbs of images. */
export function imageMounting(context: Context): Mounting {
  const coracle = context.open();
  return {
    kind: 'image',
    mount: (name) => coracle.mountImage(name),
    unmount: (name) => coracle.unmountImage(name),
    mounted: () => coracle.mountedImages(),
    all: async () => (await coracle.images()).map(({ id, names: [name = id] }) => name),
  };
}
