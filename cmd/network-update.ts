/** `coracle network update`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'network update',
  summary: 'Change the name servers of a network',
  operands: 'NETWORK',
  count: [1, 1],
  completes: 'networks',
  examples: [
    ['coracle network update --dns-add 10.0.0.53 shop', 'Also for containers that run'],
    ['coracle network update --dns-drop 10.0.0.53 shop', "Without any, this host's are asked"],
  ],
  options: [
    {
      name: 'dns-add',
      kind: 'list',
      value: 'ADDRESS[#PORT]',
      summary: 'Ask this one, too, for names that are of no container',
    },
    { name: 'dns-drop', kind: 'list', value: 'ADDRESS[#PORT]', summary: 'Do not ask this one any more' },
  ],
  async handler(values, [name = ''], { open }) {
    const change = { add: values['dns-add'], drop: values['dns-drop'] };
    if (change.add.length + change.drop.length === 0) {
      throw new CoracleError('USAGE', 'coracle network update: give --dns-add or --dns-drop');
    }
    printLine((await open().updateNetwork(name, change)).name);
    return 0;
  },
});
