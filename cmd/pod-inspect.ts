/** `coracle pod inspect`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { podDocument } from './pod-document.js';
import { podSelectionOptions, selectPods } from './pod-selection.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod inspect',
  summary: 'Show everything known about pods',
  operands: 'POD...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'pods',
  examples: [
    ['coracle pod inspect shop', 'As JSON'],
    ["coracle pod inspect -f '{{.State}}' shop", 'One field'],
  ],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
    ...podSelectionOptions,
  ],
  async handler(values, operands, context) {
    const { format = 'json' } = values;
    const render = format === 'json' ? undefined : compileTemplate(format);
    const found: unknown[] = [];
    const names = await selectPods(operands, values, context);
    const code = await forEach(names, context, async (name) => {
      const document = podDocument(await context.open().pod(name));
      if (render === undefined) found.push(document);
      else printLine(visible(render(document)));
    });
    if (render === undefined) printLine(JSON.stringify(found, undefined, 5));
    return code;
  },
});
