/** `coracle rm`. */
import { defineCommand } from './command.js';
import { forEach, removalCodes } from './each.js';
import { allOption, cidfileOption, filterOption, latestOption, selectContainers } from './selection.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'rm',
  summary: 'Remove containers',
  operands: 'CONTAINER...',
  count: [0, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle rm web', 'One that has ended'],
    ['coracle rm -f -v web', 'Even if it runs, with its anonymous volumes'],
    ['coracle rm -f -a', 'All of them'],
  ],
  options: [
    {
      name: 'force',
      short: 'f',
      kind: 'switch',
      summary: 'Kill it first; one that does not exist is no error',
    },
    { name: 'volumes', short: 'v', kind: 'switch', summary: 'Also its anonymous volumes' },
    {
      name: 'time',
      short: 't',
      kind: 'number',
      value: 'SECONDS',
      summary: 'With -f: seconds to end before it is killed',
    },
    { ...allOption, short: 'a' },
    latestOption,
    filterOption,
    cidfileOption,
    { name: 'depend', kind: 'switch', summary: 'First those that use its network or other namespaces' },
    { name: 'ignore', short: 'i', kind: 'switch', summary: 'Pass over those that do not exist' },
  ],
  refused: { 'containers have no links': 'link' },
  async handler(values, operands, context) {
    const names = await selectContainers('rm', operands, values, 'all', context);
    const request = {
      force: values.force,
      volumes: values.volumes,
      timeout: values.time,
      ignoreMissing: values.ignore || values.force,
      depend: values.depend,
      onDependent: printLine,
    };
    const remove = async (name: string): Promise<void> => {
      if (await context.open().remove(name, request)) printLine(name);
    };
    return forEach(names, context, remove, removalCodes);
  },
});
