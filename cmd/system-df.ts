/** `coracle system df`. */
import { CoracleError, type DiskUsage, humanDuration, type UsageTotal } from '../lib/index.js';
import { defineCommand } from './command.js';
import { formatOption, printListing } from './listing.js';
import { formatSize, printLine, printTable } from './terminal/output.js';

export const command = defineCommand({
  name: 'system df',
  summary: 'Show what the store takes on the disk',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle system df', 'A line for images, containers, volumes and the build cache'],
    ['coracle system df -v', 'A line for each of them'],
    ["coracle system df --format '{{.Type}} {{.Size}}'", 'Chosen fields'],
  ],
  options: [
    { name: 'verbose', short: 'v', kind: 'switch', summary: 'Each image, container and volume' },
    formatOption,
  ],
  async handler(values, _operands, { open }) {
    if (values.verbose && values.format !== undefined) {
      throw new CoracleError('USAGE', 'use --verbose and --format: only one of them at a time');
    }
    const usage = await open().diskUsage();
    if (values.verbose) printVerbose(usage);
    else printTotals(usage, values.format);
    return 0;
  },
});

const headings = {
  Type: 'TYPE',
  Total: 'TOTAL',
  Active: 'ACTIVE',
  Size: 'SIZE',
  Reclaimable: 'RECLAIMABLE',
  RawSize: 'RAW SIZE',
  RawReclaimable: 'RAW RECLAIMABLE',
};

function printTotals(usage: DiskUsage, format: string | undefined): void {
  printListing({
    rows: [
      rowOf('Images', usage.images),
      rowOf('Containers', usage.containers),
      rowOf('Local Volumes', usage.volumes),
      rowOf('Build Cache', usage.buildCache),
    ],
    headings,
    columns: ['Type', 'Total', 'Active', 'Size', 'Reclaimable'],
    format,
  });
}

function rowOf(
  type: string,
  { total, active, bytes, reclaimable }: UsageTotal,
): Record<keyof typeof headings, unknown> {
  const percent = bytes === 0 ? 0 : Math.round((reclaimable / bytes) * 100);
  return {
    Type: type,
    Total: total,
    Active: active,
    Size: formatSize(bytes),
    Reclaimable: `${formatSize(reclaimable)} (${percent}%)`,
    RawSize: bytes,
    RawReclaimable: reclaimable,
  };
}

function printVerbose({ images, containers, volumes, buildCache, own }: DiskUsage): void {
  printLine('Images space usage:\n');
  printTable(
    ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'SHARED SIZE', 'UNIQUE SIZE', 'CONTAINERS'],
    images.items.flatMap(({ image, shared, unique, containers: users }) => {
      const names: readonly (string | undefined)[] = image.names.length === 0 ? [undefined] : image.names;
      return names.map((name) => {
        const [repository, tag] = splitName(name);
        const sizes = [shared + unique, shared, unique].map(formatSize);
        return [repository, tag, image.id.slice(0, 12), ago(image.created), ...sizes, `${users.length}`];
      });
    }),
  );
  printLine('\nContainers space usage:\n');
  printTable(
    ['CONTAINER ID', 'IMAGE', 'COMMAND', 'LOCAL VOLUMES', 'SIZE', 'CREATED', 'STATUS', 'NAMES'],
    containers.items.map((one) => [
      one.id.slice(0, 12),
      one.image,
      one.command.join(' ').slice(0, 20),
      `${one.volumes}`,
      formatSize(one.bytes),
      one.createdAgo,
      one.status,
      one.name,
    ]),
  );
  printLine('\nLocal Volumes space usage:\n');
  printTable(
    ['VOLUME NAME', 'LINKS', 'SIZE'],
    volumes.items.map(({ name, containers: users, bytes }) => [name, `${users}`, formatSize(bytes)]),
  );
  printLine(`\nBuild cache usage: ${formatSize(buildCache.bytes)}`);
  printLine(`The store's own:   ${formatSize(own)}`);
}

function splitName(name: string | undefined): readonly [string, string] {
  const colon = name?.lastIndexOf(':') ?? -1;
  if (name === undefined) return ['<none>', '<none>'];
  return colon > name.lastIndexOf('/') ? [name.slice(0, colon), name.slice(colon + 1)] : [name, '<none>'];
}

function ago(created: string | undefined): string {
  return created === undefined ? 'N/A' : `${humanDuration(Date.now() - Date.parse(created))} ago`;
}
