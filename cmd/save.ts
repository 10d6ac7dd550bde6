/** `coracle save`. */
import { isatty } from 'node:tty';
import { CoracleError, hasErrno } from '../lib/index.js';
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'save',
  summary: 'Save images to an archive',
  operands: 'IMAGE...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle save -o hello.tar hello', 'For docker load and podman load'],
    ['coracle save --format oci-archive hello | skopeo inspect oci-archive:/dev/stdin', 'To standard output'],
  ],
  options: [
    {
      name: 'output',
      short: 'o',
      kind: 'string',
      value: 'FILE',
      summary: 'File to write (default: standard output)',
    },
    {
      name: 'format',
      kind: 'string',
      value: 'FORMAT',
      choices: ['docker-archive', 'oci-archive'],
      summary: 'Kind of archive (default: docker-archive)',
    },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Accepted: nothing is printed' },
    {
      name: 'multi-image-archive',
      short: 'm',
      kind: 'switch',
      summary: 'Accepted: several images go into one archive',
    },
  ],
  refused: {
    'layers of archives are not compressed': 'compress',
    'all platforms in the store are saved': 'platform',
  },
  async handler(values, operands, context) {
    const { output = '-', format = 'docker-archive' } = values;
    if (output === '-' && isatty(1)) {
      throw new CoracleError('USAGE', 'save images: standard output is a terminal', {
        hint: 'name a file with -o FILE, or send it on through a pipe',
      });
    }
    try {
      await context.open().save(operands, output, { format: readFormat(format) });
      return 0;
    } catch (error) {
      // The reader of the pipe had enough, as head does.
      if (output === '-' && error instanceof CoracleError && hasErrno(error.cause, 'EPIPE')) return 141;
      throw error;
    }
  },
});

function readFormat(text: string): 'docker-archive' | 'oci-archive' {
  if (text === 'docker-archive' || text === 'oci-archive') return text;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --format`);
}
