/** `coracle working from`. */
import { CoracleError, checkIsolation } from '../lib/index.js';
import { defineCommand } from './command.js';
import { readPullPolicy } from './options/pull-policy.js';
import { registryAccess, registryOptions, retryOptions, trustOptions } from './options/registry.js';
import { writeTextFile } from './options/texts.js';
import {
  refusedOfWorking,
  workingHostOptions,
  workingSandboxOptions,
  workingTexts,
} from './options/working-flags.js';
import { transferProgress } from './progress/transfer-progress.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'working from',
  summary: 'Make a working container of an image, or of scratch',
  operands: 'IMAGE',
  count: [1, 1],
  completes: 'images',
  examples: [
    ['work=$(coracle working from debian)', 'Prints its name, debian-working-container'],
    ['coracle working from --name base scratch', 'On nothing'],
  ],
  options: [
    {
      name: 'name',
      kind: 'string',
      value: 'NAME',
      summary: "Its name (default: the image's with -working-container)",
    },
    {
      name: 'pull',
      kind: 'optional',
      bare: 'always',
      value: 'POLICY',
      choices: ['always', 'missing', 'newer', 'never', 'true', 'false'],
      summary: 'When to ask the registry for the image (default: missing)',
    },
    { name: 'pull-always', kind: 'switch', summary: 'Same as --pull=always' },
    { name: 'pull-never', kind: 'switch', summary: 'Same as --pull=never' },
    { name: 'platform', kind: 'string', value: 'OS/ARCH[/VARIANT]', summary: 'Platform of the image' },
    { name: 'cidfile', kind: 'string', value: 'FILE', summary: 'Write its id to a file' },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Show no progress of a pull' },
    { name: 'isolation', kind: 'string', value: 'KIND', summary: 'oci or rootless, which are the same here' },
    {
      name: 'format',
      kind: 'string',
      value: 'FORMAT',
      choices: ['oci', 'docker'],
      summary: 'Accepted: commit says it',
    },
    ...workingSandboxOptions,
    ...workingHostOptions,
    ...registryOptions,
    ...retryOptions,
    ...trustOptions,
  ],
  refused: { ...refusedOfWorking, 'name the platform: --platform OS/ARCH[/VARIANT]': 'arch os variant' },
  async handler(values, [image = ''], { open }) {
    if (values.isolation !== undefined) checkIsolation(values.isolation);
    if (values['pull-always'] && values['pull-never'])
      throw new CoracleError('USAGE', 'use --pull-always and --pull-never: only one of them at a time');
    const text = values['pull-always'] ? 'always' : values['pull-never'] ? 'never' : values.pull;
    const progress = transferProgress(values.quiet);
    try {
      const { id, name } = await open().working.from(image, {
        name: values.name,
        platform: values.platform,
        policy: readPullPolicy(text),
        access: registryAccess(values),
        texts: workingTexts(values),
        onEvent: progress.onEvent,
      });
      progress.close();
      if (values.cidfile !== undefined) writeTextFile('--cidfile', values.cidfile, id);
      printLine(name);
      return 0;
    } finally {
      progress.close();
    }
  },
});
