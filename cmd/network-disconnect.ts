/** `coracle network disconnect`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'network disconnect',
  summary: 'Take a container off a network',
  operands: 'NETWORK CONTAINER',
  count: [2, 2],
  completes: 'networks',
  examples: [['coracle network disconnect back web', 'Also while it runs']],
  options: [{ name: 'force', short: 'f', kind: 'switch', summary: 'No error when it is not on the network' }],
  async handler({ force }, [network = '', container = ''], { open }) {
    try {
      await open().disconnectNetwork(container, network);
    } catch (error) {
      if (!force || !(error instanceof CoracleError) || error.code !== 'NOT_FOUND') throw error;
    }
    return 0;
  },
});
