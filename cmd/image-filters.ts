/** `--filter` and `--sort` of `images`. */
import { CoracleError, type ImageSummary } from '../lib/index.js';
import { hasLabel } from './container-filters.js';
import { type NamedImage, splitImageName } from './image-rows.js';
import { parseMoment } from './options/moment.js';
import { readFilters } from './options/texts.js';

export const imageFilters = [
  'reference',
  'reference!',
  'label',
  'label!',
  'dangling',
  'before',
  'since',
  'after',
  'until',
  'id',
  'id!',
  'readonly',
  'containers',
  'intermediate',
  'manifest',
  'digest',
] as const;

type Key = (typeof imageFilters)[number];
type Test = (named: NamedImage) => boolean;

export type FilterContext = {
  readonly all: readonly ImageSummary[];
  readonly containers: ReadonlyMap<string, number>;
};

/**
 * The images that fit, and of each the names that fit. Values of one filter are alternatives, except those of labels and
 * of what is excluded, and different filters must all fit, as podman has it.
 * @throws USAGE
 */
export function imageFilter(texts: readonly string[], context: FilterContext): Test {
  const filters = readFilters(texts, imageFilters).map(({ key, value }) => ({
    key,
    test: testOf(key, value, context),
  }));
  const keys = [...new Set(filters.map(({ key }) => key))];
  return (named) =>
    keys.every((key) => {
      const own = filters.filter((one) => one.key === key);
      const together = key === 'label' || key.endsWith('!');
      return together ? own.every(({ test }) => test(named)) : own.some(({ test }) => test(named));
    });
}

function testOf(key: Key, value: string, { all, containers }: FilterContext): Test {
  switch (key) {
    case 'reference':
    case 'reference!': {
      const pattern = globPattern(value);
      const has: Test = (named) =>
        named.name !== undefined && (fitsName(named, value) || pattern.test(named.name));
      return key === 'reference' ? has : (named) => !has(named);
    }
    case 'label':
      return ({ image }) => hasLabel(image.labels, value);
    case 'label!':
      return ({ image }) => !hasLabel(image.labels, value);
    case 'id':
      return ({ image }) => image.id.startsWith(value.replace(/^sha256:/, ''));
    case 'id!':
      return ({ image }) => !image.id.startsWith(value.replace(/^sha256:/, ''));
    case 'dangling':
      return is(key, value, ({ name }) => name === undefined);
    case 'containers':
      return is(key, value, ({ image }) => (containers.get(image.id) ?? 0) > 0);
    case 'readonly':
      return is(key, value, ({ image }) => image.readonly === true);
    // None is but a step of another.
    case 'intermediate':
      return is(key, value, () => false);
    case 'manifest':
      return is(key, value, ({ image, row }) => image.lists.some((digest) => digest === row.Digest));
    case 'digest':
      return ({ row }) => String(row.Digest).startsWith(value.replace(/^(?:sha256:)?/, 'sha256:'));
    case 'until': {
      const limit = Date.parse(parseMoment(value, Date.now()));
      return ({ image }) => image.created !== undefined && Date.parse(image.created) < limit;
    }
    case 'before':
    case 'since':
    case 'after':
      return timeTest(key, value, all);
  }
}

function is(key: Key, value: string, test: Test): Test {
  if (value === 'true' || value === '1') return test;
  if (value === 'false' || value === '0') return (named) => !test(named);
  throw new CoracleError('USAGE', `invalid argument "${key}=${value}" for --filter: true or false`);
}

function timeTest(key: 'before' | 'since' | 'after', value: string, all: readonly ImageSummary[]): Test {
  const other = all.find(
    ({ id, names }) =>
      names.some((name) => isSame(name, value)) || id.startsWith(value.replace(/^sha256:/, '')),
  );
  if (other === undefined) {
    throw new CoracleError('NOT_FOUND', `filter images by ${key}=${value}: no such image`, { exitCode: 125 });
  }
  const limit = Date.parse(other.created ?? '');
  return ({ image }) => {
    const created = Date.parse(image.created ?? '');
    return key === 'before' ? created < limit : created > limit;
  };
}

/** Whether a person means this name: with or without registry and tag. */
export function fitsName({ name }: NamedImage, wanted: string): boolean {
  return name !== undefined && isSame(name, wanted);
}

function isSame(name: string, wanted: string): boolean {
  return [name, splitImageName(name)[0]].some((text) => text === wanted || text.endsWith(`/${wanted}`));
}

/** `*` does not cross a slash; a pattern without a tag fits every tag. */
function globPattern(text: string): RegExp {
  const escaped = text.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const source = escaped.replaceAll('*', '[^/]*').replaceAll('?', '[^/]');
  return new RegExp(`^(?:.*/)?${source}${/:[^/]*$/.test(text) ? '' : '(?::.*)?'}$`);
}

export const imageOrders = ['created', 'id', 'repository', 'size', 'tag'] as const;

/** Rows in an order; without one as they are, newest first. @throws USAGE */
export function sortImages(rows: readonly NamedImage[], order: string | undefined): readonly NamedImage[] {
  const key = keyOf(order);
  if (key === undefined) return rows;
  const least = (one: string | number, other: string | number): number =>
    one < other ? -1 : one > other ? 1 : 0;
  return [...rows].sort((one, other) => least(key(one), key(other)));
}

function keyOf(order: string | undefined): ((row: NamedImage) => string | number) | undefined {
  switch (order) {
    case undefined:
    case 'created':
      return undefined;
    case 'id':
      return ({ image }) => image.id;
    case 'repository':
      return ({ repository }) => repository;
    case 'size':
      return ({ image }) => image.size;
    case 'tag':
      return ({ tag }) => tag;
    default:
      throw new CoracleError('USAGE', `invalid argument "${order}" for --sort: ${imageOrders.join(', ')}`);
  }
}
