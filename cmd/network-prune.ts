/** `coracle network prune`. */
import { defineCommand } from './command.js';
import { sayFailures } from './each.js';
import { pruneFilters, readPruneFilters } from './options/prune-filters.js';
import { confirm } from './terminal/confirm.js';
import { printLine } from './terminal/output.js';

const warning =
  'WARNING! This will remove all networks that no container is on.\nAre you sure you want to continue? [y/N] ';

export const command = defineCommand({
  name: 'network prune',
  summary: 'Remove networks that no container is on',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle network prune', 'All of them, after a question'],
    ['coracle network prune -f --filter label!=keep', 'Without a question, those without a label'],
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
    const { removed, failures } = await context.open().pruneNetworks(filter);
    for (const name of removed) printLine(name);
    return sayFailures(failures, context);
  },
});
