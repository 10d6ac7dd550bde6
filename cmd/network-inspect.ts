/** `coracle network inspect`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { networkDocument } from './network-document.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'network inspect',
  summary: 'Show everything known about networks',
  operands: 'NETWORK...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'networks',
  examples: [
    ['coracle network inspect shop', 'As JSON, with the containers on it'],
    ["coracle network inspect -f '{{range .subnets}}{{.subnet}} {{end}}' shop", 'Its subnets'],
  ],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
  ],
  refused: { 'everything is shown': 'verbose,v', 'there is no cluster': 'scope' },
  async handler(values, names, context) {
    const { format = 'json' } = values;
    const render = format === 'json' ? undefined : compileTemplate(format);
    const found: unknown[] = [];
    const code = await forEach(names, context, async (name) => {
      const document = networkDocument(await context.open().network(name));
      if (render === undefined) found.push(document);
      else printLine(visible(render(document)));
    });
    if (render === undefined) printLine(JSON.stringify(found, undefined, 5));
    return code;
  },
});
