/** `coracle logout`. */
import { defineCommand } from './command.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'logout',
  summary: 'Forget the login to a registry',
  operands: '[REGISTRY]',
  count: [0, 1],
  examples: [
    ['coracle logout registry.example.com', 'Its credentials are removed from where login put them'],
  ],
  options: [{ name: 'authfile', kind: 'string', value: 'FILE', summary: 'File that has the credentials' }],
  refused: { 'name the registry': 'all,a', "credentials are kept in podman's format": 'compat-auth-file' },
  async handler(values, [registry = 'docker.io'], { open }) {
    const removed = await open().logout(registry, {
      ...(values.authfile === undefined ? {} : { authfile: values.authfile }),
    });
    for (const place of removed) printLine(`Removed login credentials for ${registry} from ${place}`);
    return 0;
  },
});
