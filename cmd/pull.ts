/** `coracle pull`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { interruptible } from './interrupt.js';
import { readPlatform } from './options/platform-parts.js';
import { readPullPolicy } from './options/pull-policy.js';
import { registryAccess, registryOptions, retryOptions, trustOptions } from './options/registry.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pull',
  summary: 'Download an image from a registry',
  operands: 'IMAGE...',
  count: [1, Number.POSITIVE_INFINITY],
  examples: [
    ['coracle pull debian:13', 'From Docker Hub'],
    ['coracle pull --all-tags registry.example.com/team/app', 'Every tag of a repository'],
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
    { name: 'all-tags', short: 'a', kind: 'switch', summary: 'Every tag of the repository' },
    { name: 'os', kind: 'string', value: 'OS', summary: 'The platform in parts' },
    { name: 'arch', kind: 'string', value: 'ARCH', summary: 'The same, in parts' },
    { name: 'variant', kind: 'string', value: 'VARIANT', summary: 'The same, in parts' },
    ...registryOptions,
    ...retryOptions,
    ...trustOptions,
  ],
  refused: {
    'signatures by notary are not checked': 'disable-content-trust',
    'encrypted layers are not supported': 'decryption-key',
  },
  handler(values, operands, context) {
    const platform = readPlatform(values);
    return interruptible((signal) =>
      forEach(operands, context, async (name) => {
        const progress = transferProgress(values.quiet);
        try {
          const request = {
            ...registryAccess(values),
            platform,
            policy: readPullPolicy(values.policy ?? 'always'),
            signal,
            onEvent: progress.onEvent,
          };
          const images = values['all-tags']
            ? await context.open().pullTags(name, request)
            : [await context.open().pull(name, request)];
          progress.close();
          for (const { id } of images) printLine(`sha256:${id}`);
        } finally {
          progress.close();
        }
      }),
    );
  },
});
