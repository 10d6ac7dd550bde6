/** `coracle working inspect`. */
import { defineCommand } from './command.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'working inspect',
  summary: 'Show everything known about a working container',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'working',
  examples: [["coracle working inspect --format '{{.OCIv1.config.Cmd}}' $work", 'One field']],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
  ],
  async handler(values, [container = ''], { open }) {
    const { format = 'json' } = values;
    const render = format === 'json' ? undefined : compileTemplate(format);
    const document = await open().working.inspect(container);
    printLine(render === undefined ? JSON.stringify(document, undefined, 4) : visible(render(document)));
    return 0;
  },
});
