/** `coracle volume inspect`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';
import { volumeDocument } from './volume-document.js';

export const command = defineCommand({
  name: 'volume inspect',
  summary: 'Show everything known about volumes',
  operands: 'VOLUME...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'volumes',
  examples: [
    ['coracle volume inspect data', 'As JSON'],
    ["coracle volume inspect -f '{{.Mountpoint}}' data", 'One field'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Every volume' },
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
  ],
  async handler(values, operands, context) {
    if (values.all === operands.length > 0) {
      throw new CoracleError('USAGE', 'coracle volume inspect: give volumes, or --all');
    }
    const { format = 'json' } = values;
    const render = format === 'json' ? undefined : compileTemplate(format);
    const coracle = context.open();
    const names = values.all ? (await coracle.volumes()).map(({ name }) => name) : operands;
    const found: unknown[] = [];
    const code = await forEach(names, context, async (name) => {
      const document = volumeDocument(await coracle.volume(name));
      if (render === undefined) found.push(document);
      else printLine(visible(render(document)));
    });
    if (render === undefined) printLine(JSON.stringify(found, undefined, 5));
    return code;
  },
});
