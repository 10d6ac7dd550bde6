/** `coracle volume prune`. */
import { defineCommand } from './command.js';
import { confirm } from './terminal/confirm.js';
import { formatSize, printLine } from './terminal/output.js';
import { readVolumeFilters, volumePruneFilters } from './volume-filters.js';

export const command = defineCommand({
  name: 'volume prune',
  summary: 'Remove volumes that no container has',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle volume prune', 'Those without a name of their own, after a question'],
    ['coracle volume prune --all', 'Those with a name as well'],
    ['coracle volume prune -af --filter label!=keep', 'Without a question, those without a label'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Also volumes that somebody named' },
    { name: 'force', short: 'f', kind: 'switch', summary: 'Do not ask' },
    {
      name: 'filter',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${volumePruneFilters.join(', ')}`,
    },
  ],
  async handler(values, _operands, { open }) {
    const coracle = open();
    const fits = readVolumeFilters(values.filter, await coracle.volumes(), volumePruneFilters);
    // docker's filter `all` and one that asks for named volumes say the same as the flag.
    const named =
      values.all || values.filter.some((text) => /^(all=(true|1)|anonymous=(false|0))$/i.test(text));
    if (!values.force && !confirm(question(named))) return 1;
    const { removed, bytes } = await coracle.pruneVolumes(
      (volume) => (named || volume.anonymous) && fits(volume),
    );
    for (const name of removed) printLine(name);
    printLine(`Total reclaimed space: ${formatSize(bytes)}`);
    return 0;
  },
});

function question(named: boolean): string {
  const which = named ? 'all volumes' : 'all anonymous volumes';
  return `WARNING! This will remove ${which} that no container has, with what is in them.\nAre you sure you want to continue? [y/N] `;
}
