/** `coracle system reset`. */

import { defineCommand } from './command.js';
import { confirm } from './terminal/confirm.js';
import { say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'system reset',
  summary: 'Remove the whole store',
  operands: '',
  count: [0, 0],
  examples: [
    [
      'coracle system reset',
      'Containers (running ones are killed), images, volumes, networks, all, after a question',
    ],
    ['coracle --root /srv/box system reset --force', 'Another store, without a question'],
  ],
  options: [{ name: 'force', short: 'f', kind: 'switch', summary: 'Do not ask' }],
  async handler(values, _operands, context) {
    if (!values.force && !confirm(question)) return 1;
    const { root, containers, kept } = await context.open().resetStore();
    say(visible(`removed ${root}${containers.length > 0 ? ` with ${containers.length} containers` : ''}`));
    if (kept.length > 0) say(visible(`left in it, for they are no part of a store: ${kept.join(', ')}`));
    return 0;
  },
});

const question = `WARNING! This will remove:
        - all containers, running ones too
        - all pods
        - all images
        - all networks
        - all build cache
        - all volumes and secrets
        - the directory of the store
Are you sure you want to continue? [y/N] `;
