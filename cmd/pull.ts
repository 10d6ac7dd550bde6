/** `coracle pull`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { interruptible } from './interrupt.js';
import { readPullPolicy } from './options/pull-policy.js';
import { registryAccess, registryOptions, retryOptions } from './options/registry.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pull',
  summary: 'Download an image from a registry',
  operands: 'IMAGE...',
  count: [1, Number.POSITIVE_INFINITY],
  examples: [
    ['coracle pull debian:13', 'From Docker Hub'],
    [
      'coracle pull --platform linux/arm64 registry.example.com/team/app@sha256:…',
      'One exact image of another platform',
    ],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'No progress' },
    {
      name: 'platform',
      kind: 'string',
      value: 'OS/ARCH',
      summary: 'Choose from an index (default: this machine)',
    },
    {
      name: 'policy',
      kind: 'string',
      value: 'POLICY',
      choices: ['always', 'missing', 'newer', 'never'],
      summary: 'When to ask the registry (default: always)',
    },
    ...registryOptions,
    ...retryOptions,
  ],
  refused: {
    'name the tags': 'all-tags,a',
    'use --platform': 'os arch variant',
    'signatures by notary are not checked': 'disable-content-trust',
    'encrypted layers are not supported': 'decryption-key',
  },
  handler(values, operands, context) {
    return interruptible((signal) =>
      forEach(operands, context, async (name) => {
        const progress = transferProgress(values.quiet);
        try {
          const image = await context.open().pull(name, {
            ...registryAccess(values),
            platform: values.platform,
            policy: readPullPolicy(values.policy ?? 'always'),
            signal,
            onEvent: progress.onEvent,
          });
          progress.close();
          printLine(`sha256:${image.id}`);
        } finally {
          progress.close();
        }
      }),
    );
  },
});
