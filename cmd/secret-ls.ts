/** `coracle secret ls`. */
import { humanDuration, type Secret } from '../lib/index.js';
import { defineCommand } from './command.js';
import { checkQuiet, formatOption, printListing } from './listing.js';
import { readFilters } from './options/texts.js';
import { printLine } from './terminal/output.js';

const filters = ['name', 'id'] as const;

export const command = defineCommand({
  name: 'secret ls',
  summary: 'List secrets',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle secret ls', 'All of them'],
    ["coracle secret ls --filter name=db --format '{{.Name}}'", 'Names that contain db'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only ids' },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${filters.join(', ')}`,
    },
    formatOption,
  ],
  async handler(values, _operands, { open }) {
    checkQuiet(values.quiet, values.format);
    const wanted = readFilters(values.filter, filters);
    const secrets = (await open().secrets()).filter((secret) =>
      wanted.every(({ key, value }) =>
        key === 'id' ? secret.id.startsWith(value) : secret.name.includes(value),
      ),
    );
    if (values.quiet) {
      for (const { id } of secrets) printLine(id);
      return 0;
    }
    printListing({
      rows: secrets.map(rowOf),
      headings,
      columns: ['ID', 'Name', 'Driver', 'CreatedAt', 'UpdatedAt'],
      format: values.format,
      bare: values.noheading,
    });
    return 0;
  },
});

const headings = {
  ID: 'ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  CreatedAt: 'CREATED',
  UpdatedAt: 'UPDATED',
};

function rowOf({ id, name, created, updated }: Secret): Record<keyof typeof headings, string> {
  return { ID: id, Name: name, Driver: 'file', CreatedAt: ago(created), UpdatedAt: ago(updated) };
}

function ago(time: string): string {
  return `${humanDuration(Date.now() - Date.parse(time))} ago`;
}
