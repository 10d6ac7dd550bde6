/** `coracle volume export`. */
import { isatty } from 'node:tty';
import { CoracleError, hasErrno } from '../lib/index.js';
import { defineCommand } from './command.js';

export const command = defineCommand({
  name: 'volume export',
  summary: "Write a volume's files as a tar",
  operands: 'VOLUME',
  count: [1, 1],
  completes: 'volumes',
  examples: [
    ['coracle volume export -o data.tar data', 'A copy of what is in it, with owners and times'],
    ['coracle volume export data | ssh box coracle volume import data -', 'To another host'],
  ],
  options: [
    {
      name: 'output',
      short: 'o',
      kind: 'string',
      value: 'FILE',
      completes: 'files',
      summary: 'File to write (default: standard output)',
    },
  ],
  async handler({ output = '-' }, [name = ''], { open }) {
    const destination = output === '/dev/stdout' ? '-' : output;
    if (destination === '-' && isatty(1)) {
      throw new CoracleError('USAGE', 'export volume: standard output is a terminal', {
        hint: 'name a file with -o FILE, or send it on through a pipe',
      });
    }
    try {
      await open().exportVolume(name, destination);
      return 0;
    } catch (error) {
      if (destination === '-' && error instanceof CoracleError && hasErrno(error.cause, 'EPIPE')) return 141;
      throw error;
    }
  },
});
