/** `coracle ps`. */
import { type ContainerListing, CoracleError } from '../lib/index.js';
import { type Context, defineCommand } from './command.js';
import { containerFilters, filterContainers, needsAll } from './container-filters.js';
import { checkQuiet, formatOption, labelField, labelHeading, labelsText, printListing } from './listing.js';
import { sortContainers, sortKeys } from './options/container-order.js';
import { formatSize, printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'ps',
  summary: 'List containers',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle ps', 'Those that run'],
    ['coracle ps -a --filter status=exited', 'Those that ended'],
    ["coracle ps --format '{{.Names}} {{.Status}}'", 'Chosen fields'],
  ],
  options: [
    { name: 'all', short: 'a', kind: 'switch', summary: 'Also those that do not run' },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only ids' },
    { name: 'no-trunc', kind: 'switch', summary: 'Whole ids and commands' },
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${containerFilters.join(', ')}`,
    },
    { name: 'last', short: 'n', kind: 'number', value: 'N', summary: 'The N made last, running or not' },
    { name: 'latest', short: 'l', kind: 'switch', summary: 'The one made last, running or not' },
    { name: 'noheading', kind: 'switch', summary: 'Leave the headings out' },
    {
      name: 'size',
      short: 's',
      kind: 'switch',
      summary: 'Measure what they wrote, and that with their images',
    },
    {
      name: 'sort',
      kind: 'string',
      value: 'KEY',
      choices: sortKeys,
      summary: 'Order (default: the newest first)',
    },
    { name: 'watch', short: 'w', kind: 'number', value: 'SECONDS', summary: 'Again and again, so often' },
    { name: 'pod', short: 'p', kind: 'switch', summary: 'The pods they are in' },
    { name: 'sync', kind: 'switch', summary: 'Accepted: the state is never remembered, always looked at' },
    formatOption,
  ],
  refused: {
    'namespaces are not listed': 'namespace ns',
    'other programs have stores of their own': 'external storage',
  },
  async handler(values, _operands, context) {
    checkQuiet(values.quiet, values.format);
    if (values.quiet && values.size) {
      throw new CoracleError('USAGE', 'use --quiet and --size: only one of them at a time');
    }
    if (values.watch === undefined) {
      await list(values, context);
      return 0;
    }
    const { repeat } = await import('./watch.js');
    return repeat('--watch', values.watch, () => list(values, context));
  },
});

type PsValues = {
  readonly [name in 'all' | 'pod' | 'quiet' | 'no-trunc' | 'latest' | 'size' | 'noheading']: boolean;
} & {
  readonly filter: readonly string[];
  readonly last: number | undefined;
  readonly sort: string | undefined;
  readonly format: string | undefined;
};

async function list(values: PsValues, context: Context): Promise<void> {
  const last = values.latest ? 1 : values.last;
  const all = values.all || last !== undefined || needsAll(values.filter);
  const found = await context.open().containers({ all, size: needsSize(values) });
  const chosen = filterContainers(found, values.filter).slice(0, last);
  const shown = values.sort === undefined ? chosen : sortContainers(chosen, values.sort);
  if (values.quiet) {
    for (const one of shown) printLine(values['no-trunc'] ? one.id : one.id.slice(0, 12));
    return;
  }
  printListing({
    rows: shown.map((one) => rowOf(one, values['no-trunc'])),
    headings,
    columns: [
      'ID',
      'Image',
      'Command',
      'RunningFor',
      'Status',
      'Ports',
      'Names',
      ...(values.pod ? (['Pod', 'PodName'] as const) : []),
      ...(values.size ? (['Size'] as const) : []),
    ],
    format: values.format,
    bare: values.noheading,
  });
}

function needsSize({ size, sort, format }: PsValues): boolean {
  return size || sort === 'size' || format?.includes('.Size') === true;
}

const headings = {
  ID: 'CONTAINER ID',
  Image: 'IMAGE',
  ImageID: 'IMAGE ID',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Status: 'STATUS',
  State: 'STATE',
  Ports: 'PORTS',
  Names: 'NAMES',
  Pod: 'POD ID',
  PodName: 'PODNAME',
  Labels: 'LABELS',
  Label: labelHeading,
  Networks: 'NETWORKS',
  Mounts: 'MOUNTS',
  ExitCode: 'EXIT CODE',
  Pid: 'PID',
  Size: 'SIZE',
};

function rowOf(one: ContainerListing, whole: boolean): Record<keyof typeof headings, unknown> {
  const words = one.command.join(' ');
  const short = words.length > 20 ? `${words.slice(0, 17)}...` : words;
  return {
    ID: whole ? one.id : one.id.slice(0, 12),
    Image: one.image,
    ImageID: one.imageId,
    Command: whole ? words : short,
    CreatedAt: one.created,
    RunningFor: one.createdAgo,
    Status: one.status,
    State: one.state,
    Ports: one.ports,
    Names: one.name,
    Pod: whole ? (one.pod?.id ?? '') : (one.pod?.id.slice(0, 12) ?? ''),
    PodName: one.pod?.name ?? '',
    Labels: labelsText(one.labels),
    Label: labelField(one.labels),
    Networks: one.network,
    Mounts: one.mounts.join(','),
    ExitCode: one.exitCode ?? 0,
    Pid: one.pid ?? 0,
    Size: sizeText(one),
  };
}

function sizeText({ size }: ContainerListing): string {
  return size === undefined ? '' : `${formatSize(size.written)} (virtual ${formatSize(size.whole)})`;
}
