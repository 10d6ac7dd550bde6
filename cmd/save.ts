/** `coracle save`. */
import { isatty } from 'node:tty';
import { CoracleError, hasErrno } from '../lib/index.js';
import { defineCommand } from './command.js';

const formats = ['docker-archive', 'oci-archive', 'docker-dir', 'oci-dir'] as const;

export const command = defineCommand({
  name: 'save',
  summary: 'Save images to an archive',
  operands: 'IMAGE...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle save -o hello.tar hello', 'For docker load and podman load'],
    ['coracle save --format oci-archive hello | skopeo inspect oci-archive:/dev/stdin', 'To standard output'],
    ['coracle save --format oci-dir -o layout hello web', 'Two images, or artifacts, as an OCI layout'],
    ['coracle save --platform linux/arm64 -o arm.tar multi', 'One image of those that a name stands for'],
  ],
  options: [
    {
      name: 'output',
      short: 'o',
      kind: 'string',
      value: 'FILE',
      summary: 'File or directory to write (default: standard output)',
    },
    {
      name: 'format',
      kind: 'string',
      value: 'FORMAT',
      choices: formats,
      summary: 'Kind of archive or directory (default: docker-archive)',
    },
    { name: 'compress', kind: 'switch', summary: 'In a docker-dir, compress layers that were made here' },
    {
      name: 'uncompressed',
      kind: 'switch',
      summary: 'In an oci-archive or oci-dir, leave layers that were made here uncompressed',
    },
    {
      name: 'platform',
      kind: 'string',
      value: 'OS/ARCH',
      summary: 'Of an index only this image (default: all of it in an OCI layout, else that of this machine)',
    },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Accepted: nothing is printed' },
    {
      name: 'multi-image-archive',
      short: 'm',
      kind: 'switch',
      summary: 'Accepted: several images go into one archive',
    },
  ],
  async handler(values, operands, context) {
    const { output = '-', compress, uncompressed, platform } = values;
    const format = readFormat(values.format ?? 'docker-archive');
    checkFormat(format, values);
    if (output === '-' && isatty(1)) {
      throw new CoracleError('USAGE', 'save images: standard output is a terminal', {
        hint: 'name a file with -o FILE, or send it on through a pipe',
      });
    }
    try {
      await context.open().save(operands, output, { format, compress, uncompressed, platform });
      return 0;
    } catch (error) {
      // The reader of the pipe had enough, as head does.
      if (output === '-' && error instanceof CoracleError && hasErrno(error.cause, 'EPIPE')) return 141;
      throw error;
    }
  },
});

type Format = (typeof formats)[number];

function readFormat(text: string): Format {
  const found = formats.find((one) => one === text);
  if (found !== undefined) return found;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --format: ${formats.join(', ')}`);
}

/** Refuses what a format has no use for. */
function checkFormat(
  format: Format,
  values: { readonly output: string | undefined; readonly compress: boolean; readonly uncompressed: boolean },
): void {
  if (format.endsWith('-dir') && (values.output ?? '-') === '-') {
    throw new CoracleError('USAGE', `save images as ${format}: name a directory with -o`);
  }
  if (values.compress && format !== 'docker-dir') {
    throw new CoracleError('USAGE', 'use --compress: only a docker-dir takes it');
  }
  if (values.uncompressed && !format.startsWith('oci-')) {
    throw new CoracleError('USAGE', 'use --uncompressed: only oci-archive and oci-dir take it');
  }
}
