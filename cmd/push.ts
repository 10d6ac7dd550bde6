/** `coracle push`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { registryAccess, registryOptions, retryOptions } from './options/registry.js';
import { readSigning, signOptions, signRefusals } from './options/sign.js';
import { oneOf, writeTextFile } from './options/texts.js';
import { typesOption } from './options/types.js';
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
    [
      'coracle push --sign-by-sigstore-private-key key.private registry.example.com/team/hello:1',
      'With a signature',
    ],
    ['coracle push --compression-format zstd:chunked hello', 'So that pulls fetch changed files only'],
    ['coracle push --platform linux/arm64 multi:1', 'One image of those that the name stands for'],
    ['coracle push --tls-verify=false hello 127.0.0.1:5000/hello', 'Elsewhere, over plain HTTP'],
    ['coracle push hello oci-archive:hello.tar:hello', 'To a file; also oci:, dir: and docker-archive:'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    {
      name: 'compression-format',
      kind: 'string',
      value: 'KIND',
      choices: ['gzip', 'zstd', 'zstd:chunked'],
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
    {
      name: 'compress',
      kind: 'switch',
      summary: 'Compress layers made here in dir: too, as registries have them',
    },
    { name: 'force-compression', kind: 'switch', summary: 'Also layers that are compressed another way' },
    typesOption,
    {
      name: 'platform',
      kind: 'string',
      value: 'OS/ARCH',
      summary: 'Of an index only this image (default: all of an index that is here whole)',
    },
    {
      name: 'all-tags',
      short: 'a',
      kind: 'switch',
      summary: 'Every tag that the store has of the repository',
    },
    { name: 'remove-signatures', kind: 'switch', summary: 'Signatures that came with the image stay behind' },
    ...signOptions,
    ...registryOptions,
    ...retryOptions,
  ],
  refused: {
    ...signRefusals,
    'signatures by notary are not made': 'disable-content-trust',
    'this version does not encrypt': 'encryption-key encrypt-layer',
  },
  async handler(values, [source = '', destination], context) {
    const progress = transferProgress(values.quiet);
    try {
      const request = {
        ...registryAccess(values),
        compression: oneOf('--compression-format', values['compression-format'], [
          'gzip',
          'zstd',
          'zstd:chunked',
        ]),
        level: values['compression-level'],
        recompress: values['force-compression'],
        compress: values.compress,
        format: oneOf('--format', values.format, ['oci', 'v2s2']),
        platform: values.platform,
        sign: readSigning(values),
        removeSignatures: values['remove-signatures'],
        onEvent: progress.onEvent,
      };
      if (values['all-tags']) {
        requireNoDestination(destination, values.digestfile);
        const pushed = await interruptible((signal) =>
          context.open().pushTags(source, { ...request, signal }),
        );
        progress.close();
        for (const { name, digest } of pushed) printLine(`${name}@${digest}`);
        return 0;
      }
      const { digest } = await interruptible((signal) =>
        context.open().push(source, destination, { ...request, signal }),
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

function requireNoDestination(destination: string | undefined, digestfile: string | undefined): void {
  if (destination === undefined && digestfile === undefined) return;
  const other = destination === undefined ? '--digestfile' : 'a destination';
  throw new CoracleError('USAGE', `use --all-tags and ${other}: only one of them at a time`);
}
