/** `coracle builder prune`. */
import { CoracleError, parseSize, renderError } from '../lib/index.js';
import { defineCommand } from './command.js';
import { readUnitFilters, unitFilters } from './options/cache-units.js';
import { confirm } from './terminal/confirm.js';
import { formatSize, printLine, printTable, say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'builder prune',
  summary: 'Remove build cache',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle builder prune', 'What no image needs, after a question'],
    ['coracle builder prune -f --filter until=24h', 'What was not used for a day'],
    ['coracle builder prune -f --max-used-space 10g', 'The longest unused, until 10 GiB are left'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Also what images keep: forgotten, not freed' },
    { name: 'force', short: 'f', kind: 'switch', summary: 'Do not ask' },
    { name: 'filter', kind: 'list', value: 'FILTER=VALUE', summary: `Only these: ${unitFilters.join(', ')}` },
    {
      name: 'reserved-space',
      kind: 'string',
      value: 'SIZE',
      aliases: ['keep-storage'],
      summary: 'Space that the cache may always use',
    },
    {
      name: 'max-used-space',
      kind: 'string',
      value: 'SIZE',
      summary: 'Space that the cache may use at most',
    },
    { name: 'min-free-space', kind: 'string', value: 'SIZE', summary: 'Space to have free on the disk' },
    { name: 'verbose', kind: 'switch', summary: 'Show what made each part' },
  ],
  refused: { 'this version has no builders': 'builder', 'it lasts as long as it takes': 'timeout' },
  async handler(values, _operands, { open, globals }) {
    const policy = {
      ...readUnitFilters(values.filter, Date.now()),
      all: values.all,
      reservedSpace: sizeOf('--reserved-space', values['reserved-space']),
      maxUsedSpace: sizeOf('--max-used-space', values['max-used-space']),
      minFreeSpace: sizeOf('--min-free-space', values['min-free-space']),
    };
    const what = values.all ? 'all build cache' : 'all build cache that no image needs';
    if (!values.force && !confirm(`This will remove ${what}. Continue? [y/N] `)) return 1;
    const { pruned, bytes, busy, problems } = await open().pruneCache(policy);
    if (pruned.length > 0) {
      const headings = ['ID', 'SIZE', ...(values.verbose ? ['TYPE', 'DESCRIPTION'] : [])];
      const rows = pruned.map((unit) => [
        unit.id,
        formatSize(unit.bytes),
        ...(values.verbose ? [unit.kind, unit.description] : []),
      ]);
      printTable(headings, rows);
    }
    printLine(`Total: ${formatSize(bytes)}`);
    if (busy) say('layers were forgotten, not freed: a build or pull is running; prune again after it');
    for (const problem of problems) {
      const error = new CoracleError('INVALID', `free layers: ${problem}`);
      say(visible(renderError(error, { stack: globals.debug })));
    }
    return problems.length > 0 ? 1 : 0;
  },
});

function sizeOf(flag: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseSize(text, flag);
}
