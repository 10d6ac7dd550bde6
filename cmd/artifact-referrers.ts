/** `coracle artifact referrers`. */
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { formatOption, printListing } from './listing.js';
import { registryAccess, registryOptions, retryOptions } from './options/registry.js';
import { formatSize } from './terminal/output.js';

const headings = { Digest: 'DIGEST', Type: 'TYPE', Size: 'SIZE', Created: 'CREATED' };

export const command = defineCommand({
  name: 'artifact referrers',
  summary: 'List what at a registry refers to an image or artifact',
  operands: 'NAME',
  count: [1, 1],
  completes: 'nothing',
  examples: [
    ['coracle artifact referrers registry.example.com/team/app:1', 'All that is about this image'],
    [
      'coracle artifact referrers --artifact-type application/spdx+json registry.example.com/team/app:1',
      'Of one type',
    ],
  ],
  options: [
    { name: 'artifact-type', kind: 'string', value: 'TYPE', summary: 'Only this type' },
    formatOption,
    ...registryOptions,
    ...retryOptions,
  ],
  async handler(values, [name = ''], context) {
    const type = values['artifact-type'];
    const found = await interruptible((signal) =>
      context.open().referrers(name, { type, access: { ...registryAccess(values), signal } }),
    );
    const rows = found.map(({ digest, artifactType = '', size, annotations }) => ({
      Digest: digest as string,
      Type: artifactType,
      Size: formatSize(size),
      Created: annotations?.['org.opencontainers.image.created'] ?? '',
    }));
    printListing({ rows, headings, columns: ['Digest', 'Type', 'Size', 'Created'], format: values.format });
    return 0;
  },
});
