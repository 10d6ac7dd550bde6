/** `coracle ps`. */
import type { ContainerListing } from '../lib/index.js';
import { defineCommand } from './command.js';
import { containerFilters, matchesFilters } from './container-filters.js';
import { checkQuiet, formatOption, labelField, labelHeading, labelsText, printListing } from './listing.js';
import { readFilters } from './options/texts.js';
import { printLine } from './terminal/output.js';

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
    formatOption,
  ],
  refused: {
    'sizes of containers are not counted': 'size,s',
    'this version has no pods': 'pod,p',
    'it lists once': 'watch,w',
    'the order is that of creation': 'sort',
    'namespaces are not listed': 'namespace ns',
  },
  async handler(values, _operands, context) {
    checkQuiet(values.quiet, values.format);
    const wanted = readFilters(values.filter, containerFilters);
    const last = values.latest ? 1 : values.last;
    const byState = wanted.some(({ key }) => key === 'status' || key === 'exited');
    const all = values.all || byState || last !== undefined;
    const found = await context.open().containers({ all });
    const shown = found.filter((one) => matchesFilters(one, wanted)).slice(0, last);
    const id = (one: ContainerListing): string => (values['no-trunc'] ? one.id : one.id.slice(0, 12));
    if (values.quiet) {
      for (const one of shown) printLine(id(one));
      return 0;
    }
    printListing({
      rows: shown.map((one) => rowOf(one, values['no-trunc'])),
      headings,
      columns: ['ID', 'Image', 'Command', 'RunningFor', 'Status', 'Ports', 'Names'],
      format: values.format,
      bare: values.noheading,
    });
    return 0;
  },
});

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
  Labels: 'LABELS',
  Label: labelHeading,
  Networks: 'NETWORKS',
  Mounts: 'MOUNTS',
  ExitCode: 'EXIT CODE',
  Pid: 'PID',
};

function rowOf(one: ContainerListing, whole: boolean): Record<keyof typeof headings, unknown> {
  const words = one.command.join(' ');
  const short = words.length > 20 ? `${words.slice(0, 19)}…` : words;
  return {
    ID: whole ? one.id : one.id.slice(0, 12),
    Image: one.image,
    ImageID: one.imageId,
    Command: `"${whole ? words : short}"`,
    CreatedAt: one.created,
    RunningFor: one.createdAgo,
    Status: one.status,
    State: one.state,
    Ports: one.ports,
    Names: one.name,
    Labels: labelsText(one.labels),
    Label: labelField(one.labels),
    Networks: one.network,
    Mounts: one.mounts.join(','),
    ExitCode: one.exitCode ?? 0,
    Pid: one.pid ?? 0,
  };
}
