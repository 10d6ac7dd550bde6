/** `--filter` of the commands that choose volumes. */
import { CoracleError, type VolumeView } from '../lib/index.js';
import { hasLabel } from './container-filters.js';
import { parseMoment } from './options/moment.js';
import { readFilters } from './options/texts.js';

export const volumeFilters = [
  'name',
  'driver',
  'scope',
  'label',
  'label!',
  'opt',
  'dangling',
  'anonymous',
  'until',
  'after',
  'since',
] as const;

/** Those of `prune`; the others say nothing of a volume that no container has. */
export const volumePruneFilters = ['label', 'label!', 'anonymous', 'until', 'after', 'since', 'all'] as const;

type Key = (typeof volumeFilters)[number] | 'all';
type Choice = (volume: VolumeView) => boolean;

/** Values of one filter are alternatives, different filters must all fit, and all labels. @throws USAGE */
export function readVolumeFilters(
  texts: readonly string[],
  all: readonly VolumeView[],
  known: readonly Key[] = volumeFilters,
): Choice {
  const filters = readFilters(texts, known).map(({ key, value }) => ({ key, fits: choice(key, value, all) }));
  const keys = [...new Set(filters.map(({ key }) => key))];
  return (volume) =>
    keys.every((key) => {
      const same = filters.filter((filter) => filter.key === key);
      const fit = ({ fits }: { readonly fits: Choice }): boolean => fits(volume);
      return key === 'label' || key === 'label!' ? same.every(fit) : same.some(fit);
    });
}

function choice(key: Key, value: string, all: readonly VolumeView[]): Choice {
  switch (key) {
    case 'name': {
      const pattern = readPattern(value);
      return ({ name }) => pattern.test(name);
    }
    case 'driver':
    case 'scope':
      return () => value === 'local';
    case 'label':
      return ({ labels = {} }) => hasLabel(labels, value);
    case 'label!':
      return ({ labels = {} }) => !hasLabel(labels, value);
    case 'opt':
      return ({ options = {} }) => hasLabel(options, value);
    case 'dangling': {
      const wanted = readBoolean(key, value);
      return ({ containers }) => (containers.length === 0) === wanted;
    }
    case 'anonymous': {
      const wanted = readBoolean(key, value);
      return ({ anonymous }) => anonymous === wanted;
    }
    case 'all':
      readBoolean(key, value);
      return () => true;
    case 'until': {
      const end = Date.parse(parseMoment(value, Date.now()));
      return ({ created }) => Date.parse(created) < end;
    }
    case 'after':
    case 'since': {
      const start = startOf(value, all);
      return ({ created }) => Date.parse(created) > start;
    }
  }
}

/** A volume stands for the time when it was made. */
function startOf(value: string, all: readonly VolumeView[]): number {
  const volume = all.find(({ name }) => name === value);
  return Date.parse(volume?.created ?? parseMoment(value, Date.now()));
}

function readBoolean(key: string, value: string): boolean {
  if (/^(true|1)$/i.test(value)) return true;
  if (/^(false|0)$/i.test(value)) return false;
  throw new CoracleError('USAGE', `invalid argument "${key}=${value}" for --filter: must be true or false`);
}

function readPattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new CoracleError('USAGE', `invalid argument "name=${text}" for --filter: not a pattern`, {
      cause: error,
    });
  }
}
