/** `coracle search`. */
import { CoracleError, type SearchResult } from '../lib/index.js';
import { type Context, defineCommand, type Values } from './command.js';
import { interruptible } from './interrupt.js';
import { formatOption, printListing } from './listing.js';
import { registryAccess, registryOptions } from './options/registry.js';
import { readFilters } from './options/texts.js';
import { printLine } from './terminal/output.js';

const filters = ['stars', 'is-official', 'is-automated'] as const;

const options = [
  { name: 'list-tags', kind: 'switch', summary: 'The tags of the repository that is named' },
  { name: 'limit', kind: 'number', value: 'N', summary: 'The most results (default: 25)' },
  {
    name: 'filter',
    short: 'f',
    kind: 'list',
    value: 'FILTER=VALUE',
    summary: `Only these: ${filters.join(', ')}`,
  },
  { name: 'no-trunc', kind: 'switch', summary: 'Whole descriptions' },
  {
    name: 'compatible',
    kind: 'switch',
    summary: 'Also show stars and whether it is official, as docker does',
  },
  formatOption,
  ...registryOptions,
] as const;

export const command = defineCommand({
  name: 'search',
  summary: 'Look for images at a registry',
  operands: '[REGISTRY/]TERM',
  count: [1, 1],
  examples: [
    ['coracle search debian', 'At Docker Hub'],
    ['coracle search registry.example.com/', 'All repositories of a registry that lists them'],
    ['coracle search --list-tags --limit 1000 quay.io/podman/stable', 'The tags of a repository'],
  ],
  options,
  async handler(values, [term = ''], context) {
    const { limit } = values;
    if (limit !== undefined && (!Number.isInteger(limit) || limit < 1 || limit > 100_000)) {
      throw new CoracleError('USAGE', `invalid argument "${limit}" for --limit: a number from 1 to 100000`);
    }
    if (values['list-tags']) return listTags(term, values, context);
    const fits = readResultFilters(values.filter);
    const results = await interruptible((signal) =>
      context.open().search(term, { limit, access: { ...registryAccess(values), signal } }),
    );
    const rows = results.filter(fits).map((result) => rowOf(result, values['no-trunc']));
    const more = values.compatible ? (['Stars', 'Official', 'Automated'] as const) : ([] as const);
    printListing({ rows, headings, columns: ['Name', 'Description', ...more], format: values.format });
    return 0;
  },
});

async function listTags(term: string, values: Values<typeof options>, context: Context): Promise<number> {
  if (values.filter.length > 0) {
    throw new CoracleError('USAGE', 'use --filter and --list-tags: only one of them at a time');
  }
  const { limit } = values;
  const { name, tags } = await interruptible((signal) =>
    context.open().repositoryTags(term, { limit, access: { ...registryAccess(values), signal } }),
  );
  if (values.format === 'json') {
    printLine(JSON.stringify([{ Name: name, Tags: tags }], undefined, 4));
    return 0;
  }
  const rows = tags.map((tag) => ({ ...emptyRow, Name: name, Tag: tag }));
  printListing({ rows, headings, columns: ['Name', 'Tag'], format: values.format });
  return 0;
}

const headings = {
  Index: 'INDEX',
  Name: 'NAME',
  Description: 'DESCRIPTION',
  Stars: 'STARS',
  Official: 'OFFICIAL',
  Automated: 'AUTOMATED',
  Tag: 'TAG',
};

type Row = { readonly [K in keyof typeof headings]: K extends 'Stars' ? number : string };

const emptyRow: Row = {
  Index: '',
  Name: '',
  Description: '',
  Stars: 0,
  Official: '',
  Automated: '',
  Tag: '',
};

function rowOf(result: SearchResult, whole: boolean): Row {
  const { index, name, stars, official, automated } = result;
  const description = result.description.replace(/\s+/g, ' ').trim();
  const short = whole || description.length <= 44 ? description : `${description.slice(0, 44)}...`;
  const mark = (is: boolean): string => (is ? '[OK]' : '');
  return {
    Index: index,
    Name: name,
    Description: short,
    Stars: stars,
    Official: mark(official),
    Automated: mark(automated),
    Tag: '',
  };
}

function readResultFilters(texts: readonly string[]): (result: SearchResult) => boolean {
  const tests = readFilters(texts, filters).map(({ key, value }) => {
    if (key === 'stars') {
      if (!/^\d{1,9}$/.test(value)) throw invalid(key, value, 'a number');
      return ({ stars }: SearchResult) => stars >= Number(value);
    }
    if (value !== 'true' && value !== 'false') throw invalid(key, value, 'true or false');
    return (result: SearchResult) =>
      (key === 'is-official' ? result.official : result.automated) === (value === 'true');
  });
  return (result) => tests.every((test) => test(result));
}

function invalid(key: string, value: string, expected: string): CoracleError {
  return new CoracleError('USAGE', `invalid argument "${key}=${value}" for --filter: expected ${expected}`);
}
