/** `coracle images`. */
import { humanDuration, type ImageSummary } from '../lib/index.js';
import { defineCommand } from './command.js';
import { hasLabel } from './container-filters.js';
import { checkQuiet, formatOption, labelField, labelHeading, printListing } from './listing.js';
import { readFilters } from './options/texts.js';
import { formatSize, printLine } from './terminal/output.js';

const filters = ['reference', 'label', 'dangling', 'before', 'since'] as const;

export const command = defineCommand({
  name: 'images',
  summary: 'List images',
  operands: '[NAME]',
  count: [0, 1],
  completes: 'images',
  examples: [
    ['coracle images', 'All of them'],
    ['coracle images -q --filter dangling=true', 'Ids of those without a name'],
    ["coracle images --format '{{.Repository}}:{{.Tag}} {{.Size}}'", 'Chosen fields'],
  ],
  options: [
    {
      name: 'all',
      short: 'a',
      kind: 'switch',
      summary: 'Accepted: there are no intermediate images to hide',
    },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only ids' },
    { name: 'no-trunc', kind: 'switch', summary: 'Whole ids' },
    { name: 'digests', kind: 'switch', summary: 'Show digests' },
    {
      name: 'filter',
      short: 'f',
      kind: 'list',
      value: 'FILTER=VALUE',
      summary: `Only these: ${filters.join(', ')}`,
    },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    formatOption,
  ],
  refused: {
    'the order is that of creation': 'sort',
    'histories are not listed here': 'history',
    'platforms of an index are not listed': 'tree',
  },
  async handler(values, [name], context) {
    checkQuiet(values.quiet, values.format);
    const all = await context.open().images();
    const wanted = readFilters(values.filter, filters);
    const rows = all
      .flatMap((image) => rowsOf(image, values['no-trunc']))
      .filter((row) => (name === undefined ? true : fitsName(row, name)))
      .filter((row) => wanted.every((filter) => matches(row, filter, all)));
    if (values.quiet) {
      const ids = new Set(rows.map(({ row }) => row.ID));
      for (const id of ids) printLine(id);
      return 0;
    }
    const middle = values.digests ? (['Digest', 'ID'] as const) : (['ID'] as const);
    printListing({
      rows: rows.map(({ row }) => row),
      headings,
      columns: ['Repository', 'Tag', ...middle, 'CreatedSince', 'Size'],
      format: values.format,
      bare: values.noheading,
    });
    return 0;
  },
});

const headings = {
  Repository: 'REPOSITORY',
  Tag: 'TAG',
  Digest: 'DIGEST',
  ID: 'IMAGE ID',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  Size: 'SIZE',
  Architecture: 'ARCHITECTURE',
  Labels: 'LABELS',
  Label: labelHeading,
  Broken: 'BROKEN',
};

type Row = { readonly [K in keyof typeof headings]: K extends 'ID' ? string : unknown };
type Named = { readonly row: Row; readonly image: ImageSummary; readonly name: string | undefined };

/** A row per name, one for an image without any. */
function rowsOf(image: ImageSummary, whole: boolean): Named[] {
  const names: readonly (string | undefined)[] = image.names.length === 0 ? [undefined] : image.names;
  return names.map((name) => ({ name, image, row: rowOf(image, name, whole) }));
}

function rowOf(image: ImageSummary, name: string | undefined, whole: boolean): Row {
  const { created } = image;
  const [repository, tag] = splitName(name);
  return {
    Repository: repository,
    Tag: tag,
    Digest: image.digest,
    ID: whole ? `sha256:${image.id}` : image.id.slice(0, 12),
    CreatedSince: created === undefined ? 'N/A' : `${humanDuration(Date.now() - Date.parse(created))} ago`,
    CreatedAt: created ?? '',
    Size: formatSize(image.size),
    Architecture: image.architecture ?? '',
    Labels: image.labels,
    Label: labelField(image.labels),
    Broken: image.broken ?? '',
  };
}

function splitName(name: string | undefined): readonly [repository: string, tag: string] {
  if (name === undefined) return ['<none>', '<none>'];
  const at = name.indexOf('@');
  const plain = at < 0 ? name : name.slice(0, at);
  const colon = plain.lastIndexOf(':');
  return colon > plain.lastIndexOf('/') ? [plain.slice(0, colon), plain.slice(colon + 1)] : [plain, '<none>'];
}

function fitsName({ name }: Named, wanted: string): boolean {
  if (name === undefined) return false;
  return [name, splitName(name)[0]].some((text) => text === wanted || text.endsWith(`/${wanted}`));
}

type Filter = { readonly key: (typeof filters)[number]; readonly value: string };

function matches(named: Named, { key, value }: Filter, all: readonly ImageSummary[]): boolean {
  const { image, name } = named;
  switch (key) {
    case 'reference':
      return name !== undefined && (fitsName(named, value) || globPattern(value).test(name));
    case 'label':
      return hasLabel(image.labels, value);
    case 'dangling':
      return (name === undefined) === (value === 'true' || value === '1');
    case 'before':
    case 'since': {
      const other = all.find(
        ({ id, names }) => id.startsWith(value) || names.some((one) => isSame(one, value)),
      );
      const [created, limit] = [image.created ?? '', other?.created ?? ''];
      return other !== undefined && (key === 'before' ? created < limit : created > limit);
    }
  }
}

function isSame(name: string, wanted: string): boolean {
  return [name, splitName(name)[0]].some((text) => text === wanted || text.endsWith(`/${wanted}`));
}

/** `*` does not cross a slash; a pattern without a tag fits every tag. */
function globPattern(text: string): RegExp {
  const escaped = text.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const source = escaped.replaceAll('*', '[^/]*').replaceAll('?', '[^/]');
  return new RegExp(`^(?:.*/)?${source}${/:[^/]*$/.test(text) ? '' : '(?::.*)?'}$`);
}
