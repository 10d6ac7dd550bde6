/** `coracle container prune`. */
import { defineCommand } from './command.js';
import { prune, pruneOptions } from './pruning.js';
import { formatSize, say } from './terminal/output.js';

export const command = defineCommand({
  name: 'container prune',
  summary: 'Remove containers that do not run',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle container prune', 'All of them, after a question'],
    ['coracle container prune -f --filter until=24h', 'Those made more than a day ago'],
    ['coracle container prune -f --filter label!=keep', 'Those without a label'],
  ],
  options: pruneOptions,
  handler: (values, _operands, context) =>
    prune(values, context, {
      what: 'containers that do not run',
      remove: (coracle, filter) => coracle.pruneContainers(filter),
      report: ({ bytes }) => say(`Total reclaimed space: ${formatSize(bytes)}`),
    }),
});
