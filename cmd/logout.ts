/** `coracle logout`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { requireOneFile } from './login.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'logout',
  summary: 'Forget the login to a registry',
  operands: '[REGISTRY[/NAMESPACE]]',
  count: [0, 1],
  examples: [
    ['coracle logout --all', 'Of all registries'],
    ['coracle logout registry.example.com', 'Its credentials are removed from where login put them'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: "All logins, but those in docker's own file" },
    { name: 'authfile', kind: 'string', value: 'FILE', summary: 'File that has the credentials' },
    {
      name: 'compat-auth-file',
      kind: 'string',
      value: 'FILE',
      summary: 'The same, a file that docker reads, such as ~/.docker/config.json',
    },
  ],
  async handler(values, [registry], { open }) {
    requireOneFile(values.authfile, values['compat-auth-file']);
    const files = { authfile: values.authfile, compatFile: values['compat-auth-file'] };
    if (values.all) {
      if (registry !== undefined)
        throw new CoracleError('USAGE', 'use --all and a registry: only one of them at a time');
      for (const place of await open().logoutOfAll(files))
        printLine(`Removed login credentials from ${place}`);
      return 0;
    }
    const what = registry === undefined ? '' : ` for ${registry}`;
    for (const place of await open().logout(registry, files)) {
      printLine(`Removed login credentials${what} from ${place}`);
    }
    return 0;
  },
});
