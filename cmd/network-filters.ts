/** `--filter` of the commands that choose networks. */
import { CoracleError, type NetworkView } from '../lib/index.js';
import { hasLabel } from './container-filters.js';
import { parseMoment } from './options/moment.js';
import { readFilters } from './options/texts.js';

export const networkFilters = [
  'name',
  'id',
  'driver',
  'label',
  'label!',
  'dangling',
  'until',
  'internal',
] as const;

type Key = (typeof networkFilters)[number];
type Choice = (network: NetworkView) => boolean;

/** Values of one filter are alternatives, different filters must all fit, and all labels. @throws USAGE */
export function readNetworkFilters(texts: readonly string[]): Choice {
  const filters = readFilters(texts, networkFilters).map(({ key, value }) => ({
    key,
    fits: choice(key, value),
  }));
  const keys = [...new Set(filters.map(({ key }) => key))];
  return (network) =>
    keys.every((key) => {
      const same = filters.filter((filter) => filter.key === key);
      const fit = ({ fits }: { readonly fits: Choice }): boolean => fits(network);
      return key === 'label' || key === 'label!' ? same.every(fit) : same.some(fit);
    });
}

function choice(key: Key, value: string): Choice {
  switch (key) {
    case 'name':
      return ({ name }) => name.includes(value);
    case 'id':
      return ({ id }) => id.startsWith(value);
    case 'driver':
      return () => value === 'bridge';
    case 'label':
      return ({ labels }) => hasLabel(labels, value);
    case 'label!':
      return ({ labels }) => !hasLabel(labels, value);
    case 'dangling': {
      const wanted = readBoolean(key, value);
      return ({ containers }) => (containers.length === 0) === wanted;
    }
    case 'internal': {
      const wanted = readBoolean(key, value);
      return ({ internal }) => internal === wanted;
    }
    case 'until': {
      const end = Date.parse(parseMoment(value, Date.now()));
      return ({ created }) => Date.parse(created) < end;
    }
  }
}

function readBoolean(key: string, value: string): boolean {
  if (/^(true|1)$/i.test(value)) return true;
  if (/^(false|0)$/i.test(value)) return false;
  throw new CoracleError('USAGE', `invalid argument "${key}=${value}" for --filter: must be true or false`);
}
