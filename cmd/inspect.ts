/** `coracle inspect`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'inspect',
  summary: 'Show everything known about containers or images',
  operands: 'NAME...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle inspect web', 'A container or an image, whatever has the name'],
    ["coracle inspect -f '{{.State.Pid}}' web", 'One field'],
    ['coracle inspect --type image debian', 'The image, even if a container is called so'],
  ],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
    {
      name: 'type',
      short: 't',
      kind: 'string',
      value: 'TYPE',
      choices: ['all', 'container', 'image'],
      summary: 'What the name must be (default: all)',
    },
    { name: 'size', short: 's', kind: 'switch', summary: 'Of containers also SizeRw and SizeRootFs' },
  ],
  refused: { 'name the container': 'latest,l' },
  async handler(values, operands, context) {
    const { format = 'json', type = 'all' } = values;
    const render = format === 'json' ? undefined : compileTemplate(format);
    const found: unknown[] = [];
    const code = await forEach(operands, context, async (name) => {
      const document = await context.open().inspect(name, { type: readType(type), size: values.size });
      if (render === undefined) found.push(document);
      else printLine(visible(render(document)));
    });
    if (render === undefined) printLine(JSON.stringify(found, undefined, 4));
    return code;
  },
});

function readType(text: string): 'all' | 'container' | 'image' {
  if (text === 'all' || text === 'container' || text === 'image') return text;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --type`);
}
