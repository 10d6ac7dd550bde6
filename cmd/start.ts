/** `coracle start`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { forEach } from './each.js';
import { allOption, cidfileOption, filterOption, latestOption, selectContainers } from './selection.js';
import { printLine, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'start',
  summary: 'Start containers that exist',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle start web', 'In the background; prints its name'],
    ['coracle start -ai shell', 'In the foreground, with our terminal'],
    ['coracle start --filter label=boot', 'Those with a label'],
  ],
  options: [
    {
      name: 'attach',
      short: 'a',
      kind: 'switch',
      summary: 'In the foreground: show its output, end with its code',
    },
    {
      name: 'interactive',
      short: 'i',
      kind: 'switch',
      summary: 'Our standard input is its own (implies -a)',
    },
    {
      name: 'detach-keys',
      kind: 'string',
      value: 'KEYS',
      summary: 'Keys that leave it running (default: ctrl-p,ctrl-q; empty for none)',
    },
    { name: 'sig-proxy', kind: 'toggle', summary: 'Pass signals on in the foreground (default: true)' },
    allOption,
    latestOption,
    filterOption,
    cidfileOption,
  ],
  refused: { 'checkpoints are not supported': 'checkpoint checkpoint-dir' },
  async handler(values, operands, context) {
    const names = await selectContainers('start', operands, values, 'stopped', context);
    const onWarning = (text: string): void => say(visible(`warning: ${text}`));
    if (!values.attach && !values.interactive) {
      return forEach(names, context, async (name) => {
        await context.open().start(name, { onWarning });
        printLine(name);
      });
    }
    const [name, second] = names;
    if (name === undefined) return 0;
    if (second !== undefined) {
      throw new CoracleError('USAGE', 'coracle start: only one container at a time can be attached to', {
        hint: 'start the others without -a',
      });
    }
    return context.open().startInForeground(name, {
      interactive: values.interactive,
      detachKeys: values['detach-keys'],
      signalProxy: values['sig-proxy'],
    });
  },
});
