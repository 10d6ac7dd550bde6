/** `coracle manifest inspect`. */
import { defineCommand } from './command.js';
import { registryAccess, registryOptions } from './options/registry.js';
import { printLine, visible, writeAll } from './terminal/output.js';

export const command = defineCommand({
  name: 'manifest inspect',
  summary: 'Show a list or a manifest',
  operands: 'NAME',
  count: [1, 1],
  completes: 'images',
  examples: [
    ['coracle manifest inspect app:1', 'Of this store, else of its registry'],
    ['coracle manifest inspect --raw docker://debian:13 | sha256sum', 'The bytes that the digest stands for'],
  ],
  options: [{ name: 'raw', kind: 'switch', summary: 'The bytes as they are' }, ...registryOptions],
  refused: { 'the entries are shown as they are': 'verbose,v', 'use --tls-verify=false': 'insecure' },
  async handler(values, [name = ''], context) {
    const text = await context.open().rawManifest(name, registryAccess(values));
    if (values.raw) writeAll(1, text);
    else printLine(visible(JSON.stringify(JSON.parse(text), undefined, 4)));
    return 0;
  },
});
