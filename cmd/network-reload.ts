/** `coracle network reload`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'network reload',
  summary: "Set up running containers' networks again",
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'running',
  examples: [
    ['coracle network reload web', 'Where something of it was lost, and when resolvers of this host changed'],
    ['coracle network reload --all', 'Those of all containers that run'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'All running containers on user-defined networks' },
  ],
  async handler({ all }, operands, context) {
    if (all === operands.length > 0) {
      throw new CoracleError('USAGE', 'coracle network reload: give containers, or --all');
    }
    const coracle = context.open();
    const running = all ? await coracle.containers() : [];
    const names = all ? running.filter((one) => one.bridged).map(({ name }) => name) : operands;
    return forEach(names, context, async (name) => printLine(await coracle.reloadNetworks(name)));
  },
});
