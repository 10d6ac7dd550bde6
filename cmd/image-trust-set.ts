/** `coracle image trust set`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { printLine } from './terminal/output.js';

const types = ['accept', 'reject', 'sigstoreSigned'] as const;

export const command = defineCommand({
  name: 'image trust set',
  summary: 'Say which images may be used, and whose signatures they need',
  operands: 'REGISTRY|default',
  count: [1, 1],
  completes: 'nothing',
  examples: [
    ['coracle image trust set -t reject default', 'Nothing that no other rule allows'],
    [
      'coracle image trust set -t sigstoreSigned -f team.pub registry.example.com/team',
      'Only what the key signed',
    ],
  ],
  options: [
    {
      name: 'type',
      short: 't',
      kind: 'string',
      value: 'TYPE',
      choices: types,
      summary: 'accept, reject or sigstoreSigned',
    },
    {
      name: 'pubkeysfile',
      short: 'f',
      kind: 'list',
      value: 'FILE',
      summary: 'A public key; of several any may have signed',
      completes: 'files',
    },
    {
      name: 'policypath',
      kind: 'string',
      value: 'FILE',
      summary: 'File to change (default: policy.json of the user)',
      completes: 'files',
    },
  ],
  async handler(values, [scope = ''], { open }) {
    const type = types.find((known) => known === values.type);
    if (type === undefined) {
      const hint = 'signatures by GPG (signedBy) are not checked; use sigstoreSigned';
      const given = values.type === undefined ? 'no --type' : `--type ${values.type}`;
      throw new CoracleError('USAGE', `set trust of ${scope}: ${given}, expected ${types.join(', ')}`, {
        hint,
      });
    }
    const path = await open().setTrust(scope, {
      type,
      keys: values.pubkeysfile,
      signaturePolicy: values.policypath,
    });
    printLine(path);
    return 0;
  },
});
