/** `coracle volume ls`. */
import type { VolumeView } from '../lib/index.js';
import { defineCommand } from './command.js';
import { checkQuiet, formatOption, labelField, labelHeading, labelsText, printListing } from './listing.js';
import { printLine } from './terminal/output.js';
import { volumeDocument } from './volume-document.js';
import { readVolumeFilters, volumeFilters } from './volume-filters.js';

export const command = defineCommand({
  name: 'volume ls',
  summary: 'List volumes',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle volume ls', 'All of them'],
    ['coracle volume ls -q --filter dangling=true', 'Names of those that no container has'],
    ["coracle volume ls --format '{{.Name}} {{.Mountpoint}}'", 'Chosen fields'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only names' },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${volumeFilters.join(', ')}`,
    },
    formatOption,
  ],
  refused: { 'there is no cluster': 'cluster' },
  async handler(values, _operands, { open }) {
    checkQuiet(values.quiet, values.format);
    const all = await open().volumes();
    const wanted = readVolumeFilters(values.filter, all);
    const volumes = all.filter(wanted);
    if (values.quiet) {
      for (const { name } of volumes) printLine(name);
    } else if (values.format === 'json') {
      printLine(JSON.stringify(volumes.map(volumeDocument), undefined, 5));
    } else {
      const columns = ['Driver', 'VolumeName'] as const;
      const { format, noheading: bare } = values;
      printListing({ rows: volumes.map(rowOf), headings, columns, format, bare });
    }
    return 0;
  },
});

const headings = {
  Driver: 'DRIVER',
  VolumeName: 'VOLUME NAME',
  Name: 'VOLUME NAME',
  Mountpoint: 'MOUNTPOINT',
  CreatedAt: 'CREATED',
  Scope: 'SCOPE',
  Labels: 'LABELS',
  Label: labelHeading,
  Options: 'OPTIONS',
  Anonymous: 'ANONYMOUS',
  MountCount: 'MOUNTS',
  Links: 'LINKS',
};

function rowOf(volume: VolumeView): Record<keyof typeof headings, unknown> {
  const { name, mountpoint, created, labels = {}, options = {}, anonymous, containers, mounts } = volume;
  return {
    Driver: 'local',
    VolumeName: name,
    Name: name,
    Mountpoint: mountpoint,
    CreatedAt: created,
    Scope: 'local',
    Labels: labelsText(labels),
    Label: labelField(labels),
    Options: labelsText(options),
    Anonymous: anonymous,
    MountCount: mounts,
    Links: containers.length,
  };
}
