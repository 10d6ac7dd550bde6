/** `coracle system unit`. */
import { dirname, join } from 'node:path';
import { defineCommand } from './command.js';
import { printLine, say, visible, writeAll } from './terminal/output.js';

export const command = defineCommand({
  name: 'system unit',
  summary: 'Print or install a systemd unit that does so',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle system unit', 'Look at it'],
    ['coracle system unit --install', 'Into ~/.config/systemd/user, started at each boot'],
  ],
  options: [{ name: 'install', kind: 'switch', summary: 'Write and enable it' }],
  async handler(values, _operands, { globals, open }) {
    const program = join(dirname(process.argv[1] ?? ''), 'coracle');
    if (!values.install) {
      writeAll(1, await open().bootUnit(program, globals.root));
      return 0;
    }
    const { path, lingers, user } = await open().installBootUnit(program, globals.root);
    printLine(path);
    say('systemctl --user daemon-reload has systemd read it now; it is enabled for the next boot');
    if (!lingers) {
      say(
        visible(
          `hint: your services start with the machine, not with your login, after: loginctl enable-linger ${user}`,
        ),
      );
    }
    return 0;
  },
});
