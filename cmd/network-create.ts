/** `coracle network create`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { readAssignments } from './options/texts.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'network create',
  summary: 'Make a network',
  operands: 'NAME',
  count: [1, 1],
  completes: 'nothing',
  examples: [
    ['coracle network create shop', 'Containers of run --network shop find each other by name'],
    ['coracle network create --subnet 10.90.0.0/24 --gateway 10.90.0.1 lab', 'Addresses of your choice'],
    ['coracle network create --internal back', 'Nothing leaves it'],
    ['coracle network create --ipv6 --opt mtu=1400 six', 'Also addresses of IPv6'],
    ['coracle network create --subnet fd7a:1::/64 only6', 'IPv6 alone'],
    [
      'coracle network create --subnet 10.9.0.0/24 --route 10.10.0.0/16,10.9.0.7 far',
      'What a container leads to',
    ],
  ],
  options: [
    {
      name: 'driver',
      short: 'd',
      kind: 'string',
      value: 'DRIVER',
      choices: ['bridge'],
      summary: 'What it is made of: bridge',
    },
    {
      name: 'subnet',
      kind: 'list',
      value: 'ADDRESS/BITS',
      summary: 'Its addresses (default: a free 10.89.0.0/24)',
    },
    {
      name: 'gateway',
      kind: 'list',
      value: 'ADDRESS',
      summary: 'Address of the way out (default: the first)',
    },
    {
      name: 'ip-range',
      kind: 'list',
      value: 'ADDRESS/BITS|FIRST-LAST',
      summary: 'Where addresses of containers are taken from (default: the subnet)',
    },
    { name: 'ipv6', kind: 'switch', summary: 'Also a subnet of IPv6' },
    { name: 'internal', kind: 'switch', summary: 'Nothing leaves it' },
    {
      name: 'dns',
      kind: 'list',
      value: 'ADDRESS[#PORT]',
      summary: "Asked for names that are of no container (default: this host's servers)",
    },
    { name: 'disable-dns', kind: 'switch', summary: 'Containers do not find each other by name' },
    {
      name: 'opt',
      short: 'o',
      kind: 'list',
      value: 'NAME=VALUE',
      summary: 'mtu=BYTES, metric=NUMBER, no_default_route=1, isolate=true',
    },
    {
      name: 'route',
      kind: 'list',
      value: 'SUBNET,GATEWAY[,METRIC]',
      summary: 'Further route of all containers on it',
    },
    {
      name: 'ipam-driver',
      kind: 'string',
      value: 'DRIVER',
      choices: ['host-local', 'default'],
      summary: 'Who allots addresses: host-local',
    },
    { name: 'label', kind: 'list', value: 'NAME[=VALUE]', summary: 'Label' },
    { name: 'ignore', kind: 'switch', summary: 'Take one that has the name as it is' },
  ],
  refused: {
    'interfaces of this host are out of reach without root': 'interface-name ipam-opt aux-address',
    'there is no cluster': 'attachable ingress scope config-from config-only',
    'a --subnet of IPv6 without --ipv6 makes a network without IPv4': 'ipv4',
  },
  async handler(values, [name = ''], { open }) {
    if (values['disable-dns'] && values.dns.length > 0) {
      throw new CoracleError('USAGE', 'use --dns with --disable-dns: only one of them');
    }
    const coracle = open();
    if (values.ignore && (await coracle.networkExists(name))) {
      printLine(name);
      return 0;
    }
    const network = await coracle.createNetwork({
      name,
      subnets: values.subnet,
      gateways: values.gateway,
      ranges: values['ip-range'],
      ...(values.ipv6 ? { ipv6: true } : {}),
      internal: values.internal,
      disableDns: values['disable-dns'],
      resolvers: values.dns,
      routes: values.route,
      options: readAssignments('--opt', values.opt, undefined),
      labels: readAssignments('--label', values.label, undefined),
    });
    printLine(network.name);
    return 0;
  },
});
