/** `coracle events`. */
import { CoracleError, type StoreEvent } from '../lib/index.js';
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { parseMoment } from './options/moment.js';
import { readFilters } from './options/texts.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

const filters = ['container', 'event', 'image', 'label', 'pod', 'secret', 'type', 'volume'] as const;

export const command = defineCommand({
  name: 'events',
  summary: 'Show what happens in the store',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle events', 'From now on, until Ctrl-C'],
    ['coracle events --since 1h --stream=false --filter event=died', 'What ended within the last hour'],
    ["coracle events --format '{{.Name}} {{.Status}}' --filter type=container", 'Chosen fields'],
    ['coracle events --format json | jq .ContainerExitCode', 'One object a line'],
  ],
  options: [
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${filters.join(', ')}`,
    },
    {
      name: 'since',
      kind: 'string',
      value: 'TIME',
      summary: 'From the past too: RFC 3339, Unix seconds, or an age such as 10m',
    },
    { name: 'until', kind: 'string', value: 'TIME', summary: 'End there: a time, or a duration from now' },
    { name: 'stream', kind: 'toggle', summary: 'Go on with what comes (default: true)' },
    { name: 'format', kind: 'string', value: 'FORMAT', summary: '"json", or a Go template' },
    { name: 'no-trunc', kind: 'toggle', summary: 'Whole ids (default: true)' },
  ],
  async handler(values, _operands, { open }) {
    const now = Date.now();
    const wanted = readFilters(values.filter, filters);
    const until = values.until === undefined ? undefined : parseEnd(values.until, now);
    const print = printer(values.format, values['no-trunc'] ?? true);
    // With an end in the past there is nothing to come.
    const isPast = until !== undefined && Date.parse(until) <= now;
    const request = {
      since: values.since === undefined ? undefined : parseMoment(values.since, now),
      until,
      follow: (values.stream ?? true) && !isPast,
    };
    return interruptible(async (signal) => {
      for await (const event of open().events({ ...request, signal })) {
        if (matches(event, wanted)) print(event);
      }
      return signal.aborted ? 130 : 0;
    });
  },
});

/** As podman: a duration is a time to come. */
function parseEnd(text: string, now: number): string {
  const moment = parseMoment(text, now);
  if (!/[a-z]$/.test(text)) return moment;
  return new Date(2 * now - Date.parse(moment)).toISOString();
}

type Filter = { readonly key: (typeof filters)[number]; readonly value: string };

/** Values of one filter are alternatives, different filters must all fit, and all labels. */
function matches(event: StoreEvent, wanted: readonly Filter[]): boolean {
  return [...new Set(wanted.map(({ key }) => key))].every((key) => {
    const values = wanted.filter((filter) => filter.key === key).map(({ value }) => value);
    const fits = (value: string): boolean => matchesOne(event, key, value);
    return key === 'label' ? values.every(fits) : values.some(fits);
  });
}

function matchesOne(event: StoreEvent, key: Filter['key'], value: string): boolean {
  switch (key) {
    case 'event':
      return event.status === value;
    case 'type':
      return event.type === value;
    case 'image': {
      const name = event.type === 'image' ? event.name : event.image;
      return isNamed(name, value) || (event.type === 'image' && isId(event.id, value));
    }
    case 'label': {
      const equals = value.indexOf('=');
      const label = equals < 0 ? value : value.slice(0, equals);
      const has = Object.hasOwn(event.attributes, label);
      return has && (equals < 0 || event.attributes[label] === value.slice(equals + 1));
    }
    default:
      return event.type === key && (event.name === value || isId(event.id, value));
  }
}

function isId(id: string | undefined, text: string): boolean {
  return id !== undefined && text.length > 2 && id.startsWith(text);
}

function isNamed(name: string | undefined, text: string): boolean {
  if (name === undefined) return false;
  return [name, name.replace(/:[^:/]*$/, '')].some((one) => one === text || one.endsWith(`/${text}`));
}

function printer(format: string | undefined, whole: boolean): (event: StoreEvent) => void {
  if (format === 'json') return (event) => printLine(JSON.stringify(jsonOf(event, whole)));
  if (format === undefined) return (event) => printLine(visible(textOf(event, whole)));
  if (format === '') throw new CoracleError('USAGE', 'invalid argument "" for --format: it is empty');
  const render = compileTemplate(format);
  return (event) => printLine(visible(render(fieldsOf(event, whole))));
}

/** podman's line. */
function textOf(event: StoreEvent, whole: boolean): string {
  const { time, type, status, name, image, health, attributes } = event;
  const id = shownId(event, whole);
  const head = `${time.replace('T', ' ').replace(/Z$/, ' +0000 UTC')} ${type} ${status}`;
  if (type !== 'container' && type !== 'pod')
    return [head, id, name]
      .filter((part) => part !== '')
      .join(' ')
      .trimEnd();
  const details = [
    ...(id === '' ? [] : [`image=${image ?? ''}`, `name=${name ?? ''}`]),
    ...(health === undefined ? [] : [`health_status=${health}`]),
    ...Object.entries(attributes).map(([key, value]) => `${key}=${value}`),
  ];
  return `${head}${id === '' ? '' : ` ${id}`} (${details.join(', ')})`;
}

function fieldsOf(event: StoreEvent, whole: boolean): Record<string, unknown> {
  return {
    ID: shownId(event, whole),
    Name: event.name ?? '',
    Image: event.image ?? '',
    Type: event.type,
    Status: event.status,
    Time: event.time,
    Attributes: event.attributes,
    ContainerExitCode: event.exitCode ?? 0,
    HealthStatus: event.health ?? '',
  };
}

/** podman's object: what there is nothing of is left out. */
function jsonOf(event: StoreEvent, whole: boolean): Record<string, unknown> {
  const { exitCode, health, attributes } = event;
  const fields = Object.entries(fieldsOf(event, whole)).filter(([, value]) => value !== '');
  return {
    ...Object.fromEntries(fields),
    ContainerExitCode: exitCode,
    HealthStatus: health,
    Attributes: Object.keys(attributes).length === 0 ? null : attributes,
  };
}

function shownId({ id = '' }: StoreEvent, whole: boolean): string {
  return whole ? id : id.slice(0, 12);
}
