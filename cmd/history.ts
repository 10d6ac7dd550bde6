/** `coracle history`. */
import { type HistoryLine, humanDuration } from '../lib/index.js';
import { defineCommand } from './command.js';
import { checkQuiet, formatOption, printListing } from './listing.js';
import { formatSize, printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'history',
  summary: 'Show how an image came about',
  operands: 'IMAGE',
  count: [1, 1],
  completes: 'images',
  examples: [
    ['coracle history web', 'Its steps, the newest first'],
    ['coracle history --no-trunc --human=false web', 'Whole commands, exact bytes and times'],
    ["coracle history --format '{{.Size}} {{.CreatedBy}}' web", 'Chosen fields'],
  ],
  options: [
    formatOption,
    { name: 'no-trunc', kind: 'switch', summary: 'Whole ids and commands' },
    { name: 'human', short: 'H', kind: 'toggle', summary: 'Sizes and ages for people (default: true)' },
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only ids' },
    {
      name: 'platform',
      kind: 'string',
      value: 'OS/ARCH',
      summary: 'Which image of an index (default: this machine)',
    },
  ],
  async handler(values, [name = ''], context) {
    checkQuiet(values.quiet, values.format);
    const { id, names, lines } = await context.open().imageHistory(name, values.platform);
    const style = { whole: values['no-trunc'], human: values.human ?? true };
    const shown = style.whole ? `sha256:${id}` : id.slice(0, 12);
    const rows = lines.map((line, index) => ({
      ...rowOf(line, style),
      // Only the last step is an image that can be named.
      ID: index === 0 ? shown : '<missing>',
      Tags: index === 0 ? names.join(', ') : '',
    }));
    if (values.quiet) {
      for (const { ID } of rows) printLine(ID);
      return 0;
    }
    if (values.format === 'json') {
      printLine(
        JSON.stringify(
          lines.map((line, at) => jsonOf(line, at === 0 ? id : '', names)),
          undefined,
          2,
        ),
      );
      return 0;
    }
    printListing({
      rows,
      headings,
      columns: ['ID', 'CreatedSince', 'CreatedBy', 'Size', 'Comment'],
      format: values.format,
    });
    return 0;
  },
});

const headings = {
  ID: 'ID',
  Created: 'CREATED',
  CreatedSince: 'CREATED',
  CreatedAt: 'CREATED AT',
  CreatedBy: 'CREATED BY',
  Size: 'SIZE',
  Comment: 'COMMENT',
  Tags: 'TAGS',
};

type Style = { readonly whole: boolean; readonly human: boolean };

function rowOf(
  line: HistoryLine,
  { whole, human }: Style,
): Omit<Record<keyof typeof headings, string>, 'ID'> {
  const { created, createdBy, size, comment } = line;
  const age = created === '' ? 'N/A' : `${humanDuration(Date.now() - Date.parse(created))} ago`;
  const shownAge = human ? age : created;
  return {
    Created: shownAge,
    CreatedSince: shownAge,
    CreatedAt: created,
    CreatedBy: whole ? createdBy : shorten(createdBy),
    Size: human ? formatSize(size) : String(size),
    Comment: comment,
    Tags: '',
  };
}

/** As much as docker and podman show in a column. */
function shorten(text: string): string {
  return text.length > 45 ? `${text.slice(0, 44)}…` : text;
}

/** The object of podman's JSON. */
function jsonOf(line: HistoryLine, id: string, names: readonly string[]): unknown {
  const { created, createdBy, size, comment, layer } = line;
  return {
    id: id === '' ? '<missing>' : id,
    created,
    CreatedBy: createdBy,
    size,
    comment,
    tags: id === '' ? null : names,
    emptyLayer: layer === undefined,
  };
}
