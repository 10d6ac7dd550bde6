/** `coracle system prune`. */
import { CoracleError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { sayFailures } from './each.js';
import { pruneFilters, readPruneFilters } from './options/prune-filters.js';
import { confirm } from './terminal/confirm.js';
import { formatSize, printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'system prune',
  summary: 'Remove what no container uses',
  operands: '',
  count: [0, 0],
  examples: [
    [
      'coracle system prune',
      'Ended containers, unused networks, nameless images, unused build cache, after a question',
    ],
    ['coracle system prune -af --volumes', 'All images and volumes that no container uses as well'],
    ['coracle system prune -af --volumes --build', 'Everything that is not in use'],
    ['coracle system prune -f --filter until=168h', 'What is older than a week'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Also images with a name that no container uses' },
    { name: 'volumes', kind: 'switch', summary: 'Also volumes that no container uses, with what is in them' },
    {
      name: 'build',
      kind: 'switch',
      summary: 'Also working containers that nothing uses, and build cache that images keep',
    },
    { name: 'force', short: 'f', kind: 'switch', summary: 'Do not ask' },
    {
      name: 'filter',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${pruneFilters.join(', ')}`,
    },
  ],
  refused: { 'other programs have stores of their own': 'external' },
  async handler(values, _operands, context) {
    const filter = readPruneFilters(values.filter);
    if (!values.force && !confirm(question(values))) return 1;
    const { all, volumes, build } = values;
    const pruned = await context.open().pruneSystem({ all, volumes, build, filter });
    printGroup('Deleted Containers', pruned.containers);
    printGroup('Deleted Working Containers', pruned.working);
    printGroup('Deleted Volumes', pruned.volumes);
    printGroup('Deleted Networks', pruned.networks);
    printGroup('Deleted Images', pruned.images);
    if (pruned.cache > 0) printGroup('Deleted Build Cache', [`${pruned.cache} parts`]);
    printLine(`Total reclaimed space: ${formatSize(pruned.bytes)}`);
    const problems = pruned.problems.map((problem) => ({
      name: 'store',
      error: new CoracleError('INVALID', `free layers: ${problem}`),
    }));
    return sayFailures([...pruned.failures, ...problems], context);
  },
});

function question({ all, volumes, build }: Readonly<Record<'all' | 'volumes' | 'build', boolean>>): string {
  const things = [
    'all containers that do not run',
    'all networks that no container is on',
    ...(volumes ? ['all volumes not used by at least one container'] : []),
    all ? 'all images without at least one container' : 'all images without a name and without containers',
    ...(build ? ['all working containers', 'all build cache'] : ['all build cache that no image needs']),
  ];
  const lines = things.map((thing) => `\t- ${thing}\n`).join('');
  return `WARNING! This command removes:\n${lines}\nAre you sure you want to continue? [y/N] `;
}

function printGroup(heading: string, names: readonly string[]): void {
  if (names.length === 0) return;
  printLine(heading);
  for (const name of names) printLine(name);
}
