/** `coracle working containers`. */
import type { WorkingRecord } from '../lib/index.js';
import { defineCommand } from './command.js';
import { checkQuiet, formatOption, printListing } from './listing.js';
import { readFilters } from './options/texts.js';
import { printLine } from './terminal/output.js';

const filters = ['name', 'id', 'ancestor'] as const;

export const command = defineCommand({
  name: 'working containers',
  summary: 'List working containers',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle working containers', 'All of them'],
    ["coracle working containers --format '{{.ContainerName}}'", 'Only names'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only ids' },
    { name: 'notruncate', kind: 'switch', summary: 'Whole ids', aliases: ['no-trunc'] },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    { name: 'json', kind: 'switch', summary: 'As JSON' },
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${filters.join(', ')}`,
    },
    formatOption,
  ],
  refused: { 'coracle ps -a lists the others': 'all,a' },
  async handler(values, _operands, { open }) {
    checkQuiet(values.quiet, values.format);
    const wanted = readFilters(values.filter, filters);
    const records = (await open().working.list()).filter((record) =>
      wanted.every(({ key, value }) => fits(record, key, value)),
    );
    if (values.json) {
      printLine(JSON.stringify(records.map(documentOf), undefined, 4));
      return 0;
    }
    const rows = records.map((record) => rowOf(record, values.notruncate));
    if (values.quiet) for (const { ContainerID } of rows) printLine(ContainerID);
    else
      printListing({
        rows,
        headings,
        columns: ['ContainerID', 'ImageID', 'ImageName', 'ContainerName'],
        format: values.format,
        bare: values.noheading,
      });
    return 0;
  },
});

const headings = {
  ContainerID: 'CONTAINER ID',
  ImageID: 'IMAGE ID',
  ImageName: 'IMAGE NAME',
  ContainerName: 'CONTAINER NAME',
  CreatedAt: 'CREATED AT',
};

function rowOf(record: WorkingRecord, whole: boolean): Record<keyof typeof headings, string> {
  const shorten = (id: string): string => (whole ? id : id.slice(0, 12));
  return {
    ContainerID: shorten(record.id),
    ImageID: shorten(record.base?.id ?? ''),
    ImageName: imageName(record),
    ContainerName: record.name,
    CreatedAt: record.created,
  };
}

function documentOf(record: WorkingRecord): Record<string, unknown> {
  return {
    id: record.id,
    builder: true,
    imageid: record.base?.id ?? '',
    imagename: imageName(record),
    containername: record.name,
  };
}

function imageName({ base }: WorkingRecord): string {
  return base === undefined ? 'scratch' : (base.reference ?? base.id.slice(0, 12));
}

function fits(record: WorkingRecord, key: (typeof filters)[number], value: string): boolean {
  if (key === 'name') return record.name.includes(value);
  if (key === 'id') return record.id.startsWith(value);
  const { base } = record;
  const reference = base?.reference ?? '';
  return (
    base !== undefined &&
    (base.id.startsWith(value) || reference === value || reference.split('/').at(-1)?.split(':')[0] === value)
  );
}
