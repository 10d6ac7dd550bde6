/** `coracle system start`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'system start',
  summary: 'Start the containers that are to run after a boot',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle system start', 'With --restart always, or unless-stopped and not stopped by a command'],
    ['coracle system unit --install', 'Have systemd do so at each boot'],
  ],
  options: [],
  async handler(_values, _operands, context) {
    const names = await context.open().containersToBoot();
    return forEach(names, context, async (name) => {
      await context.open().start(name, { onWarning: (text) => say(visible(`warning: ${text}`)) });
      printLine(name);
    });
  },
});
