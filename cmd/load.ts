/** `coracle load`. */
import { isatty } from 'node:tty';
import { CoracleError, familiarReference, parseReference } from '../lib/index.js';
import { defineCommand } from './command.js';
import { trustOptions } from './options/registry.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'load',
  summary: 'Load images from an archive',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle load -i hello.tar', 'From a file made by save, docker save or podman save'],
    ['coracle load -i layout', 'From the directory of an OCI layout, or of save --format docker-dir'],
    ['coracle load --platform linux/arm64 -i multi.tar', 'Of several platforms only one'],
    ['docker save hello | coracle load', 'From standard input'],
  ],
  options: [
    {
      name: 'input',
      short: 'i',
      kind: 'string',
      value: 'FILE',
      summary: 'Archive or directory to read (default: standard input)',
    },
    {
      name: 'platform',
      kind: 'string',
      value: 'OS/ARCH',
      summary: 'Of an index only this image (default: all that is there); another image is refused',
    },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    ...trustOptions,
  ],
  async handler(values, _operands, context) {
    const { input = '-' } = values;
    if (input === '-' && isatty(0)) {
      throw new CoracleError('USAGE', 'load images: standard input is a terminal', {
        hint: 'name the archive with -i FILE, or pipe it in',
      });
    }
    const progress = transferProgress(values.quiet);
    try {
      const images = await context.open().load(input, {
        platform: values.platform,
        signaturePolicy: values['signature-policy'],
        onEvent: progress.onEvent,
      });
      progress.close();
      for (const image of images) {
        const names =
          image.references.length === 0
            ? [`sha256:${image.id}`]
            : image.references.map((reference) => familiarReference(parseReference(reference)));
        const kind = 'artifactType' in image ? 'artifact' : 'image';
        for (const name of names) printLine(`Loaded ${kind}: ${name}`);
      }
    } finally {
      progress.close();
    }
    return 0;
  },
});
