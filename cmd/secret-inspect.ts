/** `coracle secret inspect`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'secret inspect',
  summary: 'Show what is known of secrets',
  operands: 'SECRET...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'secrets',
  examples: [
    ['coracle secret inspect token', 'All but the value'],
    ["coracle secret inspect --showsecret -f '{{.SecretData}}' token", 'The value'],
  ],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
    { name: 'showsecret', kind: 'switch', summary: 'Also the value' },
  ],
  refused: { 'it is JSON, or a template': 'pretty' },
  async handler(values, names, context) {
    const { format = 'json', showsecret } = values;
    const render = format === 'json' ? undefined : compileTemplate(format);
    const found: unknown[] = [];
    const code = await forEach(names, context, async (name) => {
      const {
        id,
        created,
        updated,
        labels,
        value,
        name: full,
      } = await context.open().secret(name, { value: showsecret });
      const document = {
        ID: id,
        CreatedAt: created,
        UpdatedAt: updated,
        Spec: { Name: full, Driver: { Name: 'file', Options: {} }, Labels: labels },
        ...(value === undefined ? {} : { SecretData: Buffer.from(value).toString() }),
      };
      if (render === undefined) found.push(document);
      else printLine(visible(render(document)));
    });
    if (render === undefined) printLine(JSON.stringify(found, undefined, 4));
    return code;
  },
});
