/** `coracle version`. */
import { defineCommand } from './command.js';
import { printDocument, versionDocument } from './info-document.js';
import { printLine } from './terminal/output.js';

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
    if (format !== undefined) printDocument(versionDocument(version), format);
    else printLine(`coracle ${version.Version} (${version.OsArch}, Node.js ${version.NodeVersion})`);
    return 0;
  },
});
