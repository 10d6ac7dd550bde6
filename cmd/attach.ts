/** `coracle attach`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { selectContainers } from './selection.js';

export const command = defineCommand({
  name: 'attach',
  summary: 'Attach to a running container',
  operands: 'CONTAINER',
  count: [0, 1],
  completes: 'running',
  examples: [
    ['coracle attach shell', 'ctrl-p ctrl-q leaves it running'],
    ['coracle attach --no-stdin web', 'Only look'],
  ],
  options: [
    { name: 'no-stdin', kind: 'switch', summary: 'Leave our standard input alone' },
    {
      name: 'detach-keys',
      kind: 'string',
      value: 'KEYS',
      summary: 'Keys that leave it running (default: ctrl-p,ctrl-q; empty for none)',
    },
    { name: 'sig-proxy', kind: 'toggle', summary: 'Pass signals on (default: true)' },
    { name: 'latest', short: 'l', kind: 'switch', summary: 'The container made last' },
  ],
  async handler(values, operands, context) {
    const [name] = await selectContainers('attach', operands, values, 'running', context);
    if (name === undefined) throw new CoracleError('NOT_FOUND', 'attach to container: there is none');
    return context.open().attachInForeground(name, {
      noStdin: values['no-stdin'],
      detachKeys: values['detach-keys'],
      signalProxy: values['sig-proxy'],
    });
  },
});
