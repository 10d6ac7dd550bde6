/** `coracle pod ps`. */
import { CoracleError, type PodView } from '../lib/index.js';
import { defineCommand } from './command.js';
import { checkQuiet, formatOption, labelsText, printListing } from './listing.js';
import { printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'pod ps',
  summary: 'List pods',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle pod ps', 'All of them'],
    ['coracle pod ps -q --filter status=running', 'Ids of those that run'],
    ["coracle pod ps --format '{{.Name}} {{.Status}}'", 'Chosen fields'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only ids' },
    { name: 'no-trunc', kind: 'switch', summary: 'Whole ids' },
    { name: 'latest', short: 'l', kind: 'switch', summary: 'The one made last' },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: 'Only these: id, name, status, label',
    },
    formatOption,
  ],
  refused: { 'they are in pod inspect': 'ctr-ids ctr-names ctr-status ns', 'the newest come first': 'sort' },
  async handler(values, _operands, { open }) {
    checkQuiet(values.quiet, values.format);
    const tests = values.filter.map(readFilter);
    const wanted = (await open().pods()).filter((pod) => tests.every((test) => test(pod)));
    const pods = values.latest ? wanted.slice(0, 1) : wanted;
    const length = values['no-trunc'] ? 64 : 12;
    if (values.quiet) {
      for (const { id } of pods) printLine(id.slice(0, length));
      return 0;
    }
    const rows = pods.map((pod) => rowOf(pod, length));
    const columns = ['Id', 'Name', 'Status', 'Created', 'InfraId', 'NumberOfContainers'] as const;
    printListing({ rows, headings, columns, format: values.format, bare: values.noheading });
    return 0;
  },
});

const headings = {
  Id: 'POD ID',
  ID: 'POD ID',
  Name: 'NAME',
  Status: 'STATUS',
  Created: 'CREATED',
  InfraId: 'INFRA ID',
  InfraID: 'INFRA ID',
  NumberOfContainers: '# OF CONTAINERS',
  ContainerNames: 'NAMES',
  Labels: 'LABELS',
};

function rowOf(pod: PodView, length: number): Record<keyof typeof headings, unknown> {
  const { name, status, members, holder } = pod;
  const id = pod.id.slice(0, length);
  return {
    Id: id,
    ID: id,
    Name: name,
    Status: status,
    Created: pod.createdAgo,
    InfraId: id,
    InfraID: id,
    NumberOfContainers: members.length + 1,
    ContainerNames: members.map(({ record }) => record.name).join(','),
    Labels: labelsText(holder.record.labels),
  };
}

function readFilter(text: string): (pod: PodView) => boolean {
  const [, key, value = ''] = /^([^=]+)=(.*)$/.exec(text) ?? [];
  switch (key) {
    case 'id':
      return ({ id }) => id.startsWith(value);
    case 'name':
      return ({ name }) => name.includes(value);
    case 'status':
      return ({ status }) => status.toLowerCase() === value.toLowerCase();
    case 'label':
      return ({ holder: { record } }) => hasLabel(record.labels, value);
    default:
      throw new CoracleError('USAGE', `filter pods by "${text}": not id, name, status or label`);
  }
}

function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  return equals < 0 ? wanted in labels : labels[wanted.slice(0, equals)] === wanted.slice(equals + 1);
}
