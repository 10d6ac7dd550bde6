/** `coracle create`. */
import { defineCommand } from './command.js';
import { reserveIdFile } from './id-file.js';
import { refusedByRun } from './options/container.js';
import { createOptions, runRequest } from './options/run-request.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'create',
  summary: 'Make a container without starting it',
  operands: 'IMAGE [COMMAND [ARG...]]',
  count: [1, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  completes: 'images',
  examples: [
    ['coracle create --name job -v data:/data tool', 'Made now; coracle start -a job runs it'],
    ['coracle create -it --name shell debian bash', 'A shell for coracle start -ai shell'],
  ],
  options: createOptions,
  refused: refusedByRun,
  async handler(values, [image = '', ...words], { open }) {
    const idFile = values.cidfile === undefined ? undefined : reserveIdFile(values.cidfile);
    const progress = transferProgress(values.quiet);
    try {
      const { id } = await open().create(image, {
        ...runRequest(values, words),
        onEvent: progress.onEvent,
        onWarning: (text) => say(visible(`warning: ${text}`)),
      });
      progress.close();
      idFile?.write(id);
      printLine(id);
      return 0;
    } finally {
      progress.close();
      idFile?.close();
    }
  },
});
