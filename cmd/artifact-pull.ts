/** `coracle artifact pull`. */
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { registryAccess, registryOptions, retryOptions, trustOptions } from './options/registry.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'artifact pull',
  summary: 'Download an artifact from a registry',
  operands: 'NAME',
  count: [1, 1],
  completes: 'nothing',
  examples: [['coracle artifact pull quay.io/me/model:1', 'Then artifact extract writes its files']],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    ...registryOptions,
    ...trustOptions,
    ...retryOptions,
  ],
  refused: { 'encrypted artifacts are not supported': 'decryption-key' },
  async handler(values, [name = ''], context) {
    const progress = transferProgress(values.quiet);
    try {
      const digest = await interruptible((signal) =>
        context.open().pullArtifact(name, {
          sourceAccess: registryAccess(values),
          signal,
          onEvent: progress.onEvent,
        }),
      );
      progress.close();
      printLine(digest);
      return 0;
    } finally {
      progress.close();
    }
  },
});
