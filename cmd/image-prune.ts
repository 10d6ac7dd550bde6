/** `coracle image prune`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { sayFailures } from './each.js';
import { pruneFilters, readPruneFilters } from './options/prune-filters.js';
import { confirm } from './terminal/confirm.js';
import { formatSize, printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'image prune',
  summary: 'Remove images that nothing uses',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle image prune', 'Those without a name, after a question'],
    ['coracle image prune -af', 'All that no container uses'],
    ['coracle image prune -af --filter until=240h --filter label!=keep', 'Old ones without a label'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Also images with a name that no container uses' },
    { name: 'force', short: 'f', kind: 'switch', summary: 'Do not ask' },
    {
      name: 'filter',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: dangling, ${pruneFilters.join(', ')}`,
    },
  ],
  refused: {
    'other programs have stores of their own': 'external',
    'use coracle builder prune': 'build-cache',
  },
  async handler(values, _operands, context) {
    const { dangling, others } = takeDangling(values.filter);
    const filter = readPruneFilters(others);
    const all = dangling === undefined ? values.all : !dangling;
    if (!values.force && !confirm(question(all))) return 1;
    const { removed, bytes, failures, problems } = await context.open().pruneImages({ all, filter });
    for (const id of removed) printLine(id);
    printLine(`Total reclaimed space: ${formatSize(bytes)}`);
    const damaged = problems.map((problem) => ({
      error: new CoracleError('INVALID', `free layers: ${problem}`),
    }));
    return sayFailures([...failures, ...damaged], context);
  },
});

function question(all: boolean): string {
  const what = all ? 'without at least one container' : 'without a name and without containers';
  return `WARNING! This will remove all images ${what}.\nAre you sure you want to continue? [y/N] `;
}

/** docker's `dangling=false` is `--all`. */
function takeDangling(texts: readonly string[]): {
  readonly dangling: boolean | undefined;
  readonly others: readonly string[];
} {
  const prefix = 'dangling=';
  const others = texts.filter((text) => !text.startsWith(prefix));
  const value = texts.findLast((text) => text.startsWith(prefix))?.slice(prefix.length);
  if (value === undefined) return { dangling: undefined, others };
  if (['true', '1'].includes(value)) return { dangling: true, others };
  if (['false', '0'].includes(value)) return { dangling: false, others };
  throw new CoracleError('USAGE', `invalid argument "dangling=${value}" for --filter: true or false`);
}
