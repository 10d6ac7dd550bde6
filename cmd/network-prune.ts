/** `coracle network prune`. */
import { defineCommand } from './command.js';
import { prune, pruneOptions } from './pruning.js';

export const command = defineCommand({
  name: 'network prune',
  summary: 'Remove networks that no container is on',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle network prune', 'All of them, after a question'],
    ['coracle network prune -f --filter label!=keep', 'Without a question, those without a label'],
  ],
  options: pruneOptions,
  handler: (values, _operands, context) =>
    prune(values, context, {
      what: 'networks that no container is on',
      remove: (coracle, filter) => coracle.pruneNetworks(filter),
    }),
});
