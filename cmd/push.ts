/** `coracle push`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { registryAccess, registryOptions, retryOptions } from './options/registry.js';
import { writeTextFile } from './options/texts.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'push',
  summary: 'Upload an image to a registry',
  operands: 'IMAGE [DESTINATION]',
  count: [1, 2],
  completes: 'images',
  examples: [
    ['coracle push registry.example.com/team/hello:1', 'Under its own name'],
    ['coracle push --tls-verify=false hello 127.0.0.1:5000/hello', 'Elsewhere, over plain HTTP'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    {
      name: 'compression-format',
      kind: 'string',
      value: 'KIND',
      choices: ['gzip', 'zstd'],
      summary: 'For layers made here (default: gzip)',
    },
    {
      name: 'compression-level',
      kind: 'number',
      value: 'N',
      summary: 'Effort, 1 to 9 for gzip, 1 to 19 for zstd',
    },
    {
      name: 'digestfile',
      kind: 'string',
      value: 'FILE',
      summary: 'Write the digest of what was pushed to a file',
    },
    ...registryOptions,
    ...retryOptions,
  ],
  refused: {
    'name the tags': 'all-tags,a',
    'layers that were pulled are never compressed again': 'force-compression',
    'manifests are always OCI or as they were pulled': 'format,f',
    'this version does not sign':
      'sign-by sign-by-sigstore sign-by-sigstore-private-key sign-passphrase-file disable-content-trust',
    'this version does not encrypt': 'encryption-key encrypt-layer',
    'an index goes as a whole': 'platform',
  },
  async handler(values, [source = '', destination], context) {
    const progress = transferProgress(values.quiet);
    try {
      const { digest } = await interruptible((signal) =>
        context.open().push(source, destination, {
          ...registryAccess(values),
          compression: readCompression(values['compression-format']),
          level: values['compression-level'],
          signal,
          onEvent: progress.onEvent,
        }),
      );
      progress.close();
      if (values.digestfile !== undefined) writeTextFile('--digestfile', values.digestfile, digest);
      printLine(digest);
      return 0;
    } finally {
      progress.close();
    }
  },
});

function readCompression(text: string | undefined): 'gzip' | 'zstd' | undefined {
  if (text === undefined || text === 'gzip' || text === 'zstd') return text;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --compression-format`);
}
