/** `coracle network connect`. */
import { parseNetworkFlags } from '../lib/index.js';
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'network connect',
  summary: 'Put a container on a network',
  operands: 'NETWORK CONTAINER',
  count: [2, 2],
  completes: 'networks',
  examples: [
    ['coracle network connect back web', 'One more network, also while it runs'],
    [
      'coracle network connect --ip 10.90.0.9 --alias db lab store',
      'With an address and a name of your choice',
    ],
  ],
  options: [
    { name: 'alias', kind: 'list', value: 'NAME', summary: 'Further name on the network' },
    { name: 'ip', kind: 'string', value: 'ADDRESS', summary: 'Address of IPv4' },
    { name: 'ip6', kind: 'string', value: 'ADDRESS', summary: 'Address of IPv6' },
    { name: 'mac-address', kind: 'string', value: 'ADDRESS', summary: 'Address of its interface' },
  ],
  refused: {
    'names of a network are for all on it: use --alias': 'link',
    'interfaces have no options': 'driver-opt gw-priority link-local-ip',
  },
  async handler(values, [network = '', container = ''], { open }) {
    const { ip, ip6, 'mac-address': mac, alias: aliases } = values;
    const [request] = parseNetworkFlags([network], { ip, ip6, mac, aliases }).networks ?? [];
    await open().connectNetwork(container, request ?? { network });
    return 0;
  },
});
