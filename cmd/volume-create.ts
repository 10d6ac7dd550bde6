/** `coracle volume create`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { readAssignments } from './options/texts.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'volume create',
  summary: 'Make a volume',
  operands: '[NAME]',
  count: [0, 1],
  completes: 'nothing',
  examples: [
    [
      'coracle volume create --label app=shop data',
      'A directory in the store, which run -v data:/dir mounts',
    ],
    ['coracle volume create -o uid=1000 -o gid=1000 home', 'Of a user of the container'],
    [
      'coracle volume create -o type=none -o o=bind -o device=/srv/data data',
      'A directory of this host by a name',
    ],
    [
      'coracle volume create -o type=tmpfs -o o=size=64m,mode=700 scratch',
      'Memory, for a container at a time',
    ],
  ],
  options: [
    {
      name: 'driver',
      short: 'd',
      kind: 'string',
      value: 'DRIVER',
      choices: ['local'],
      summary: 'Where it is kept: local, which is this host',
    },
    { name: 'ignore', kind: 'switch', summary: 'Take one that has the name as it is' },
    { name: 'label', short: 'l', kind: 'list', value: 'NAME[=VALUE]', summary: 'Label' },
    {
      name: 'opt',
      short: 'o',
      kind: 'list',
      value: 'NAME=VALUE',
      summary: 'type, device, o (as mount takes them), size, inodes, uid, gid, mode, nocopy',
    },
    { name: 'name', kind: 'string', value: 'NAME', summary: 'Its name, as docker once took it' },
  ],
  refused: {
    'there is no cluster':
      'availability group limit-bytes required-bytes scope secret sharing topology-preferred topology-required type',
    'ids are those of the user namespace': 'uid gid',
  },
  async handler(values, [operand], { open }) {
    if (operand !== undefined && values.name !== undefined) {
      throw new CoracleError('USAGE', 'coracle volume create: give the name once');
    }
    const name = await open().createVolume({
      name: operand ?? values.name,
      labels: readAssignments('--label', values.label, undefined),
      options: readAssignments('--opt', values.opt, undefined),
      ignore: values.ignore,
    });
    printLine(name);
    return 0;
  },
});
