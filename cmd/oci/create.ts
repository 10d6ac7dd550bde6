import { bundleOptions, bundleRefused, bundleRequest, defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci create',
  summary: 'Make a container of a bundle; its process waits for start',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci create --bundle b --pid-file pid box', 'As podman and containerd call it']],
  options: bundleOptions,
  refused: bundleRefused,
  async handler(values, [id = ''], call) {
    for (const text of await call.runtime.create(id, bundleRequest(values, call))) call.warn(text);
    return 0;
  },
});
