import { bundleOptions, bundleRefused, bundleRequest, defineOciCommand } from './common.js';

export const command = defineOciCommand({
  name: 'oci run',
  summary: 'Make a container of a bundle, start it, wait for its end and delete it',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle oci run --bundle b box', 'With the terminal of the caller, if the bundle wants one']],
  options: [
    ...bundleOptions,
    { name: 'detach', short: 'd', kind: 'switch', summary: 'Leave it running, and do not delete it' },
    { name: 'keep', kind: 'switch', summary: 'Do not delete it' },
  ],
  refused: { ...bundleRefused, 'orphans are the init process of the bundle': 'no-subreaper' },
  async handler(values, [id = ''], call) {
    const request = { ...bundleRequest(values, call), detach: values.detach, keep: values.keep };
    return call.runtime.run(id, request, call.warn);
  },
});
