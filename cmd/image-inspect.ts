/** `coracle image inspect`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'image inspect',
  summary: 'Show everything known about images',
  operands: 'IMAGE...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'images',
  examples: [
    ['coracle image inspect debian', 'The image, even if a container is called so'],
    ["coracle image inspect -f '{{.Config.Cmd}}' debian", 'One field'],
    ['coracle image inspect --platform linux/arm64 debian', 'That for another platform, of an index'],
  ],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
    {
      name: 'platform',
      kind: 'string',
      value: 'OS/ARCH',
      summary: 'Which image of an index (default: this machine)',
    },
  ],
  async handler(values, operands, context) {
    const { format = 'json' } = values;
    const render = format === 'json' ? undefined : compileTemplate(format);
    const found: unknown[] = [];
    const code = await forEach(operands, context, async (name) => {
      const document = await context.open().inspect(name, { type: 'image', platform: values.platform });
      if (render === undefined) found.push(document);
      else printLine(visible(render(document)));
    });
    if (render === undefined) printLine(JSON.stringify(found, undefined, 4));
    return code;
  },
});
