/** `coracle run`. */
import type { RunRequest } from '../lib/index.js';
import { defineCommand } from './command.js';
import { reserveIdFile } from './id-file.js';
import { refusedByRun } from './options/container.js';
import { detachOption } from './options/process.js';
import { createOptions, runRequest } from './options/run-request.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'run',
  summary: 'Run a command in a new container',
  operands: 'IMAGE [COMMAND [ARG...]]',
  count: [1, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  completes: 'images',
  examples: [
    ['coracle run --rm -it debian bash', 'A shell that leaves nothing behind'],
    ['coracle run -d --name web -p 8080:80 hello', 'A server, reached at http://localhost:8080'],
    ['coracle run --rm -v .:/src -w /src node npm test', 'A tool on the current directory'],
    ['coracle run --rm -it --pid container:web --network container:web tools', 'Tools beside a container'],
    ['coracle run -d --name db --network shop postgres', 'On a network, where others find it as db'],
    ['coracle run --rm --network none --read-only --cap-drop ALL alpine id', 'As little as possible'],
  ],
  options: [detachOption, ...createOptions],
  refused: refusedByRun,
  async handler(values, [image = '', ...words], { open }) {
    const request = runRequest(values, words);
    const idFile = values.cidfile === undefined ? undefined : reserveIdFile(values.cidfile);
    const progress = transferProgress(values.quiet);
    const full: RunRequest = {
      ...request,
      onEvent: progress.onEvent,
      onWarning: (text) => say(visible(`warning: ${text}`)),
      onCreated: ({ id }) => {
        progress.close();
        idFile?.write(id);
      },
    };
    try {
      if (!values.detach) return await open().runInForeground(image, full);
      const { id } = await open().run(image, full);
      printLine(id);
      return 0;
    } finally {
      progress.close();
      idFile?.close();
    }
  },
});
