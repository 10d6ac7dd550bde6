/** `coracle network ls`. */
import type { NetworkView } from '../lib/index.js';
import { defineCommand } from './command.js';
import { checkQuiet, formatOption, labelField, labelHeading, labelsText, printListing } from './listing.js';
import { networkDocument } from './network-document.js';
import { networkFilters, readNetworkFilters } from './network-filters.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'network ls',
  summary: 'List networks',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle network ls', 'All that were made by network create'],
    ['coracle network ls -q --filter dangling=true', 'Names of those that no container is on'],
    ["coracle network ls --format '{{.Name}} {{.Subnets}}'", 'Chosen fields'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only names' },
    { name: 'no-trunc', kind: 'switch', summary: 'Whole ids' },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${networkFilters.join(', ')}`,
    },
    formatOption,
  ],
  async handler(values, _operands, { open }) {
    checkQuiet(values.quiet, values.format);
    const networks = (await open().networks()).filter(readNetworkFilters(values.filter));
    if (values.quiet) {
      for (const { name } of networks) printLine(name);
    } else if (values.format === 'json') {
      printLine(JSON.stringify(networks.map(networkDocument), undefined, 5));
    } else {
      const columns = ['ID', 'Name', 'Driver'] as const;
      const { format, noheading: bare } = values;
      const rows = networks.map((network) => rowOf(network, values['no-trunc']));
      printListing({ rows, headings, columns, format, bare });
    }
    return 0;
  },
});

const headings = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Subnets: 'SUBNETS',
  Internal: 'INTERNAL',
  IPv6: 'IPV6',
  DNSEnabled: 'DNS',
  CreatedAt: 'CREATED',
  Labels: 'LABELS',
  Label: labelHeading,
  Containers: 'CONTAINERS',
};

function rowOf(network: NetworkView, whole: boolean): Record<keyof typeof headings, unknown> {
  const { id, name, subnets, internal, dns, created, labels, containers } = network;
  return {
    ID: whole ? id : id.slice(0, 12),
    Name: name,
    Driver: 'bridge',
    Scope: 'local',
    Subnets: subnets.map(({ subnet }) => subnet).join(','),
    Internal: internal,
    IPv6: subnets.some(({ subnet }) => subnet.includes(':')),
    DNSEnabled: dns,
    CreatedAt: created,
    Labels: labelsText(labels),
    Label: labelField(labels),
    Containers: containers.map((use) => use.name).join(','),
  };
}
