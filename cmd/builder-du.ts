/** `coracle builder du`. */
import { type CacheUnit, humanDuration } from '../lib/index.js';
import { defineCommand } from './command.js';
import { chooseUnits, unitFilters } from './options/cache-units.js';
import { formatSize, printLine, printTable, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'builder du',
  summary: 'Show what the build cache holds',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle builder du', 'A line for each part, and the sum'],
    ['coracle builder du --verbose', 'With the instruction that made it'],
    ['coracle builder du --filter type=exec.cachemount', 'Cache mounts only'],
  ],
  options: [
    { name: 'verbose', kind: 'switch', summary: 'Everything known of each part' },
    { name: 'filter', kind: 'list', value: 'FILTER=VALUE', summary: `Only these: ${unitFilters.join(', ')}` },
    {
      name: 'format',
      kind: 'string',
      value: 'FORMAT',
      choices: ['table', 'json'],
      summary: 'table, or json',
    },
  ],
  refused: { 'this version has no builders': 'builder' },
  async handler(values, _operands, { open }) {
    const units = chooseUnits(await open().cacheUsage(), values.filter);
    if (values.format === 'json') {
      printLine(JSON.stringify(units.map(asJson), undefined, 2));
      return 0;
    }
    if (values.verbose) for (const unit of units) printUnit(unit);
    else printTable(['ID', 'RECLAIMABLE', 'SIZE', 'LAST ACCESSED'], units.map(rowOf));
    const sum = (all: readonly CacheUnit[]): string =>
      formatSize(all.reduce((total, { bytes }) => total + bytes, 0));
    printLine('');
    printLine(`Reclaimable:   ${sum(units.filter(({ reclaimable }) => reclaimable))}`);
    printLine(`Total:         ${sum(units)}`);
    return 0;
  },
});

function rowOf(unit: CacheUnit): readonly string[] {
  return [unit.id, String(unit.reclaimable), formatSize(unit.bytes), ago(unit.lastUsed)];
}

function printUnit(unit: CacheUnit): void {
  const fields: readonly (readonly [string, string])[] = [
    ['ID', unit.id],
    ['Created at', new Date(unit.created).toISOString()],
    ['Mutable', String(unit.kind === 'exec.cachemount')],
    ['Reclaimable', String(unit.reclaimable)],
    ['Size', formatSize(unit.bytes)],
    ['Description', visible(unit.description).replaceAll('\n', ' ')],
    ['Last used', ago(unit.lastUsed)],
    ['Type', unit.kind],
  ];
  for (const [name, value] of fields) printLine(`${`${name}:`.padEnd(15)}${value}`);
  printLine('');
}

function asJson(unit: CacheUnit): object {
  const { id, kind, description, bytes, created, lastUsed, reclaimable } = unit;
  return {
    ID: id,
    Type: kind,
    Description: description,
    Size: bytes,
    CreatedAt: new Date(created).toISOString(),
    LastUsedAt: new Date(lastUsed).toISOString(),
    Reclaimable: reclaimable,
  };
}

function ago(time: number): string {
  return `${humanDuration(Date.now() - time)} ago`;
}
