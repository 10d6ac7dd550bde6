/** `--filter` of the commands that choose containers. */
import { type ContainerListing, CoracleError } from '../lib/index.js';
import { parseMoment } from './options/moment.js';
import { readFilters } from './options/texts.js';

export const containerFilters = [
  'id',
  'name',
  'label',
  'status',
  'exited',
  'restart-policy',
  'should-start-on-boot',
  'ancestor',
  'network',
  'volume',
  'pod',
  'health',
  'before',
  'since',
  'until',
] as const;

export type ContainerFilter = { readonly key: (typeof containerFilters)[number]; readonly value: string };

/**
 * Those of `all` that the texts of `--filter` choose; `before` and `since` name one of `all`.
 * @throws USAGE; NOT_FOUND for a container that is not there.
 */
export function filterContainers(
  all: readonly ContainerListing[],
  texts: readonly string[],
): readonly ContainerListing[] {
  const wanted = readFilters(texts, containerFilters).map((filter) => withTime(filter, all));
  return all.filter((one) => matchesFilters(one, wanted));
}

/** Whether the filters mean more than the containers that run. */
export function needsAll(texts: readonly string[]): boolean {
  return texts.some((text) => /^(status|exited|before|since|until)=/.test(text));
}

/** Of a filter that compares times, the time instead of what names it. */
function withTime(filter: ContainerFilter, all: readonly ContainerListing[]): ContainerFilter {
  const { key, value } = filter;
  if (key === 'until') return { key, value: parseMoment(value, Date.now()) };
  if (key !== 'before' && key !== 'since') return filter;
  const named = all.find(({ name }) => name === value) ?? all.find(({ id }) => id.startsWith(value));
  if (named !== undefined) return { key, value: named.created };
  throw new CoracleError('NOT_FOUND', `filter ${key}=${value}: no such container`);
}

/** Values of one filter are alternatives, different filters must all fit; labels must all fit. */
function matchesFilters(one: ContainerListing, wanted: readonly ContainerFilter[]): boolean {
  const keys = new Set(wanted.map(({ key }) => key));
  return [...keys].every((key) => {
    const values = wanted.filter((filter) => filter.key === key).map(({ value }) => value);
    const fits = (value: string): boolean => matchesOne(one, { key, value });
    return key === 'label' ? values.every(fits) : values.some(fits);
  });
}

function matchesOne(one: ContainerListing, { key, value }: ContainerFilter): boolean {
  switch (key) {
    case 'id':
      return one.id.startsWith(value);
    case 'name':
      return pattern(value).test(one.name);
    case 'label':
      return hasLabel(one.labels, value);
    case 'status':
      return one.state === state(value);
    case 'exited':
      return one.state === 'exited' && one.exitCode === exitCode(value);
    case 'restart-policy':
      return one.restartPolicy === value;
    case 'should-start-on-boot':
      return one.startsOnBoot === (value === 'true');
    case 'ancestor':
      return one.imageId.startsWith(value) || isNamed(one.image, value);
    case 'network':
      return one.network.split(',').includes(value);
    case 'volume':
      return one.mounts.includes(value);
    case 'pod':
      return one.pod !== undefined && (one.pod.name === value || one.pod.id.startsWith(value));
    case 'health':
      return (one.health ?? 'none') === value;
    case 'until':
    case 'before':
      return Date.parse(one.created) < Date.parse(value);
    case 'since':
      return Date.parse(one.created) > Date.parse(value);
  }
}

/** `NAME` or `NAME=value`. */
export function hasLabel(labels: Readonly<Record<string, string>>, text: string): boolean {
  const equals = text.indexOf('=');
  if (equals < 0) return Object.hasOwn(labels, text);
  return labels[text.slice(0, equals)] === text.slice(equals + 1);
}

function isNamed(image: string, text: string): boolean {
  return [image, image.replace(/:[^:/]*$/, '')].some((name) => name === text || name.endsWith(`/${text}`));
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new CoracleError('USAGE', `invalid argument "name=${text}" for --filter: not a pattern`, {
      cause: error,
    });
  }
}

const states = ['created', 'starting', 'running', 'paused', 'exited', 'dead'];

function state(text: string): string {
  if (states.includes(text)) return text;
  throw new CoracleError('USAGE', `invalid argument "status=${text}" for --filter: no such status`, {
    hint: states.join(', '),
  });
}

function exitCode(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new CoracleError('USAGE', `invalid argument "exited=${text}" for --filter: not an exit code`);
}
