/** `coracle generate-sigstore-key`. */
import { isatty } from 'node:tty';
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { readPassphrase } from './options/sign.js';
import { printLine } from './terminal/output.js';
import { askSecret } from './terminal/prompt.js';

export const command = defineCommand({
  name: 'generate-sigstore-key',
  summary: 'Make a pair of keys to sign images with',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle generate-sigstore-key --output-prefix team', 'Writes team.private and team.pub'],
    [
      'coracle push --sign-by-sigstore-private-key team.private registry.example.com/team/app:1',
      'And signs with it',
    ],
  ],
  options: [
    { name: 'output-prefix', kind: 'string', value: 'PREFIX', summary: 'Beginning of both file names' },
    {
      name: 'passphrase-file',
      kind: 'string',
      value: 'FILE',
      summary: 'File with the passphrase that encrypts the private key (default: asked)',
      completes: 'files',
    },
  ],
  async handler(values, _operands, { open }) {
    const prefix = values['output-prefix'];
    if (prefix === undefined || prefix === '')
      throw new CoracleError('USAGE', 'make keys: no --output-prefix');
    const passphrase = newPassphrase(values['passphrase-file']);
    for (const path of await open().generateKey(prefix, passphrase)) printLine(path);
    return 0;
  },
});

function newPassphrase(file: string | undefined): string {
  const passphrase = readPassphrase(file, 'Passphrase: ');
  if (passphrase === undefined) {
    throw new CoracleError('USAGE', 'make keys: no passphrase, and no terminal to ask at', {
      hint: 'give a file that has it with --passphrase-file',
    });
  }
  if (file === undefined && isatty(0) && askSecret('Again: ') !== passphrase) {
    throw new CoracleError('USAGE', 'make keys: the two passphrases differ');
  }
  return passphrase;
}
