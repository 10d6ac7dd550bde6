/** `coracle volume import`. */
import { defineCommand } from './command.js';
import { say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'volume import',
  summary: "Unpack a tar over a volume's files",
  operands: 'VOLUME [FILE|-]',
  count: [1, 2],
  completes: 'volumes',
  examples: [
    ['coracle volume import data data.tar.gz', 'What the tar does not name stays as it is'],
    ['coracle volume export old | coracle volume import new -', 'A copy of a volume'],
  ],
  options: [],
  async handler(_values, [name = '', source = '-'], { open }) {
    await open().importVolume(name, source, { onWarning: (text) => say(visible(`warning: ${text}`)) });
    return 0;
  },
});
