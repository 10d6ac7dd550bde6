/** `coracle manifest push`. */
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { registryAccess, registryOptions, retryOptions } from './options/registry.js';
import { readSigning, signOptions, signRefusals } from './options/sign.js';
import { oneOf, writeTextFile } from './options/texts.js';
import { typesOption } from './options/types.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'manifest push',
  summary: 'Push a list with its images',
  operands: 'LIST [DESTINATION]',
  count: [1, 2],
  completes: 'images',
  examples: [
    ['coracle manifest push registry.example.com/app:1', 'Under its own name'],
    [
      'coracle manifest push --rm app:1 docker://registry.example.com/app:1',
      'Elsewhere; the list is removed then',
    ],
    ['coracle manifest push app:1 oci:layout:app', 'To a layout'],
  ],
  options: [
    { name: 'all', kind: 'toggle', summary: 'Push the images too (default: true)' },
    {
      name: 'rm',
      short: 'p',
      kind: 'switch',
      summary: 'Remove the list when it is pushed',
      aliases: ['purge'],
    },
    typesOption,
    {
      name: 'compression-format',
      kind: 'string',
      value: 'KIND',
      choices: ['gzip', 'zstd', 'zstd:chunked'],
      summary: 'For layers made here (default: gzip)',
    },
    { name: 'compression-level', kind: 'number', value: 'N', summary: '1 to 9 for gzip, 1 to 19 for zstd' },
    { name: 'force-compression', kind: 'switch', summary: 'Also layers that are compressed another way' },
    { name: 'digestfile', kind: 'string', value: 'FILE', summary: 'Write the digest of the list to a file' },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    {
      name: 'remove-signatures',
      kind: 'switch',
      summary: 'Signatures that came with the images stay behind',
    },
    ...signOptions,
    ...registryOptions,
    ...retryOptions,
  ],
  refused: {
    ...signRefusals,
    'use --tls-verify=false': 'insecure',
    'push the list in each compression under a name of its own': 'add-compression',
  },
  async handler(values, [list = '', destination], context) {
    const format = oneOf('--format', values.format, ['oci', 'v2s2']);
    const kind =
      oneOf('--compression-format', values['compression-format'], ['gzip', 'zstd', 'zstd:chunked']) ?? 'gzip';
    const progress = transferProgress(values.quiet);
    try {
      const digest = await interruptible((signal) =>
        context.open().pushList(list, destination, {
          targetAccess: registryAccess(values),
          multiArch: values.all === false ? 'index-only' : 'all',
          format,
          encoding: { kind, level: values['compression-level'] },
          recompress: values['force-compression'],
          sign: readSigning(values),
          removeSignatures: values['remove-signatures'],
          signal,
          onEvent: progress.onEvent,
        }),
      );
      progress.close();
      if (values.digestfile !== undefined) writeTextFile('--digestfile', values.digestfile, digest);
      if (values.rm) await context.open().removeList(list);
      printLine(digest);
      return 0;
    } finally {
      progress.close();
    }
  },
});
