/** `coracle artifact push`. */
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { registryAccess, registryOptions, retryOptions } from './options/registry.js';
import { readSigning, signOptions, signRefusals } from './options/sign.js';
import { writeTextFile } from './options/texts.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'artifact push',
  summary: 'Upload an artifact to a registry',
  operands: 'NAME [DESTINATION]',
  count: [1, 2],
  completes: 'artifacts',
  examples: [
    ['coracle artifact push quay.io/me/model:1', 'Under its own name'],
    ['coracle artifact push model registry.example.com/me/model:1', 'Elsewhere'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    { name: 'digestfile', kind: 'string', value: 'FILE', summary: 'Write the digest to a file' },
    ...signOptions,
    ...registryOptions,
    ...retryOptions,
  ],
  refused: signRefusals,
  async handler(values, [name = '', destination], context) {
    const progress = transferProgress(values.quiet);
    try {
      const digest = await interruptible((signal) =>
        context.open().pushArtifact(name, destination, {
          targetAccess: registryAccess(values),
          sign: readSigning(values),
          signal,
          onEvent: progress.onEvent,
        }),
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
