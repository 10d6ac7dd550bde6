/** `coracle container prune`. */
import { defineCommand } from './command.js';
import { sayFailures } from './each.js';
import { pruneFilters, readPruneFilters } from './options/prune-filters.js';
import { confirm } from './terminal/confirm.js';
import { formatSize, printLine, say } from './terminal/output.js';

const warning =
  'WARNING! This will remove all containers that do not run.\nAre you sure you want to continue? [y/N] ';

export const command = defineCommand({
  name: 'container prune',
  summary: 'Remove containers that do not run',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle container prune', 'All of them, after a question'],
    ['coracle container prune -f --filter until=24h', 'Those made more than a day ago'],
    ['coracle container prune -f --filter label!=keep', 'Those without a label'],
  ],
  options: [
    { name: 'force', short: 'f', kind: 'switch', summary: 'Do not ask' },
    {
      name: 'filter',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${pruneFilters.join(', ')}`,
    },
  ],
  async handler(values, _operands, context) {
    const filter = readPruneFilters(values.filter);
    if (!values.force && !confirm(warning)) return 1;
    const { removed, bytes, failures } = await context.open().pruneContainers(filter);
    for (const id of removed) printLine(id);
    say(`Total reclaimed space: ${formatSize(bytes)}`);
    return sayFailures(failures, context);
  },
});
