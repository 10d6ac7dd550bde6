/** `coracle export`. */
import { isatty } from 'node:tty';
import { CoracleError, hasErrno } from '../lib/index.js';
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'export',
  summary: "Write a container's files as a tar",
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'containers',
  examples: [
    ['coracle export -o web.tar web', 'Volumes and other mounts are left out'],
    ['coracle export web | coracle import - web-flat', 'An image of one layer'],
  ],
  options: [
    {
      name: 'output',
      short: 'o',
      kind: 'string',
      value: 'FILE',
      summary: 'File to write (default: standard output)',
    },
  ],
  async handler({ output = '-' }, [name = ''], { open }) {
    if (output === '-' && isatty(1)) {
      throw new CoracleError('USAGE', 'export container: standard output is a terminal', {
        hint: 'name a file with -o FILE, or send it on through a pipe',
      });
    }
    try {
      await open().export(name, output);
      return 0;
    } catch (error) {
      if (output === '-' && error instanceof CoracleError && hasErrno(error.cause, 'EPIPE')) return 141;
      throw error;
    }
  },
});
