/** `coracle images`. */
import { CoracleError } from '../lib/index.js';
import { type Context, defineCommand } from './command.js';
import { fitsName, imageFilter, imageFilters, imageOrders, sortImages } from './image-filters.js';
import { imageHeadings, imageJson, imageRows, type NamedImage } from './image-rows.js';
import { checkQuiet, formatOption, printListing } from './listing.js';
import { formatSize, printLine, printTable } from './terminal/output.js';

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
    ['coracle images --sort size --filter until=240h', 'Those older than ten days, the largest last'],
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
      summary: `Only these: ${imageFilters.join(', ')}`,
    },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    {
      name: 'sort',
      kind: 'string',
      value: 'ORDER',
      choices: imageOrders,
      summary: 'Order of the list (default: created, the newest first)',
    },
    { name: 'tree', kind: 'switch', summary: 'Also the images of lists, one for each platform' },
    formatOption,
  ],
  refused: { 'former names of images are not kept': 'history' },
  async handler(values, [name], context) {
    checkQuiet(values.quiet, values.format);
    const all = await context.open().images();
    const containers = await countContainers(values, context);
    const fits = imageFilter(values.filter, { all, containers });
    const rows = sortImages(
      all
        .flatMap((image) => imageRows(image, { whole: values['no-trunc'], containers }))
        .filter(
          (row) =>
            name === undefined ||
            fitsName(row, name) ||
            (/^[0-9a-f]{12,}$/.test(name) && row.image.id.startsWith(name)),
        )
        .filter(fits),
      values.sort,
    );
    if (values.quiet) {
      const ids = new Set(rows.map(({ row }) => row.ID));
      for (const id of ids) printLine(id);
      return 0;
    }
    if (values.tree) {
      if (values.format !== undefined)
        throw new CoracleError('USAGE', 'use --tree and --format: only one of them at a time');
      await printTree(rows, context);
      return 0;
    }
    if (values.format === 'json') {
      const images = new Set(rows.map(({ image }) => image));
      const documents = [...images].map((image) => imageJson(image, containers));
      printLine(JSON.stringify(documents, undefined, 4));
      return 0;
    }
    const shared = rows.some(({ image }) => image.readonly === true) ? (['ReadOnly'] as const) : [];
    const middle = values.digests ? (['Digest', 'ID'] as const) : (['ID'] as const);
    printListing({
      rows: rows.map(({ row }) => row),
      headings: imageHeadings,
      columns: ['Repository', 'Tag', ...middle, 'CreatedSince', 'Size', ...shared],
      format: values.format,
      bare: values.noheading,
    });
    return 0;
  },
});

/** How many containers each image has, where that is to be shown or asked for. */
async function countContainers(
  values: { readonly format: string | undefined; readonly filter: readonly string[] },
  context: Context,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const isAsked = values.filter.some((text) => text.startsWith('containers'));
  if (!isAsked && !/json|Containers/.test(values.format ?? '')) return counts;
  for (const { imageId } of await context.open().containers({ all: true })) {
    counts.set(imageId, (counts.get(imageId) ?? 0) + 1);
  }
  return counts;
}

/** As docker shows it: under each list its images, with what of them is in the store. */
async function printTree(rows: readonly NamedImage[], context: Context): Promise<void> {
  const lines: (readonly string[])[] = [];
  for (const { row, image, name } of rows) {
    lines.push([name ?? '<none>', row.ID, String(row.Size)]);
    const at = image.names.indexOf(name ?? '');
    const platforms = await context.open().imagePlatforms(image.references[at] ?? image.digest);
    for (const [index, { platform, digest, size }] of platforms.entries()) {
      const arm = index === platforms.length - 1 ? '└─' : '├─';
      lines.push([`${arm} ${platform}`, digest.slice(7, 19), formatSize(size)]);
    }
  }
  printTable(['IMAGE', 'ID', 'SIZE'], lines);
}
