/** `coracle restart`. */
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { timeOption } from './options/lifecycle.js';
import { selectContainers, selectionOptions } from './selection.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'restart',
  summary: 'Stop containers and start them again',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle restart web', 'One that does not run is started'],
    ['coracle restart -t 1 --running', 'All that run, with one second to end'],
  ],
  options: [
    timeOption,
    { name: 'signal', short: 's', kind: 'string', value: 'SIGNAL', summary: 'Signal that asks it to end' },
    { name: 'running', kind: 'switch', summary: 'All that run' },
    ...selectionOptions,
  ],
  async handler(values, operands, context) {
    const selection = values.running ? { ...values, all: true } : values;
    const kind = values.running ? 'running' : 'all';
    const names = await selectContainers('restart', operands, selection, kind, context);
    return forEach(names, context, async (name) => {
      await context.open().restart(name, {
        timeout: values.time,
        signal: values.signal,
        onWarning: (text) => say(visible(`warning: ${text}`)),
      });
      printLine(name);
    });
  },
});
