/** `coracle pod logs`. */
import { defineCommand } from './command.js';
import { command as logs } from './logs.js';
import { podContainers } from './pod-containers.js';

export const command = defineCommand({
  name: 'pod logs',
  summary: 'Print the logs of the containers of a pod',
  operands: 'POD',
  count: [1, 1],
  completes: 'pods',
  examples: [
    ['coracle pod logs -f --names shop', 'All of its containers, in the order of time'],
    ['coracle pod logs -c web shop', 'One of them'],
  ],
  options: [
    { name: 'container', short: 'c', kind: 'string', value: 'NAME', summary: 'Only of this container' },
    ...logs.options.filter(({ name }) => name !== 'latest'),
  ],
  async handler(values, [pod = ''], context) {
    const names = await podContainers(pod, values.container, context);
    return names.length === 0 ? 0 : logs.handler({ ...values, latest: false }, names, context);
  },
});
