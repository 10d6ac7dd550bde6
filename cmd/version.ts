/** `coracle version`. */
import { defineCommand } from './command.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'version',
  summary: 'Show the version',
  operands: '',
  count: [0, 0],
  examples: [['coracle version --format json', 'For scripts']],
  options: [
    { name: 'format', short: 'f', kind: 'string', value: 'FORMAT', summary: '"json" or a Go template' },
  ],
  async handler(values, _operands, { open }) {
    const version = await open().version();
    const { format } = values;
    if (format === 'json') printLine(JSON.stringify(version, undefined, 2));
    else if (format !== undefined) printLine(visible(compileTemplate(format)(version)));
    else printLine(`coracle ${version.Version} (${version.OsArch}, Node.js ${version.NodeVersion})`);
    return 0;
  },
});
