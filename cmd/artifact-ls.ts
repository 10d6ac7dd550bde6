/** `coracle artifact ls`. */
import type { Artifact } from '../lib/index.js';
import { defineCommand } from './command.js';
import { splitImageName } from './image-rows.js';
import { checkQuiet, formatOption, printListing } from './listing.js';
import { formatSize, printLine } from './terminal/output.js';

export const command = defineCommand({
  name: 'artifact ls',
  summary: 'List artifacts',
  operands: '',
  count: [0, 0],
  examples: [
    ['coracle artifact ls', 'All of them'],
    ["coracle artifact ls --format '{{.Repository}}:{{.Tag}} {{.Size}}'", 'Chosen fields'],
  ],
  options: [
    { name: 'quiet', short: 'q', kind: 'switch', summary: 'Only digests' },
    { name: 'no-trunc', kind: 'switch', summary: 'Whole digests' },
    { name: 'noheading', short: 'n', kind: 'switch', summary: 'Leave the headings out' },
    formatOption,
  ],
  async handler(values, _operands, context) {
    checkQuiet(values.quiet, values.format);
    const rows = (await context.open().artifacts()).map((one) => rowOf(one, values['no-trunc']));
    if (values.quiet) {
      for (const { Digest: digest } of rows) printLine(digest);
      return 0;
    }
    const columns = ['Repository', 'Tag', 'Digest', 'Type', 'Size'] as const;
    printListing({ rows, headings, columns, format: values.format, bare: values.noheading });
    return 0;
  },
});

const headings = { Repository: 'REPOSITORY', Tag: 'TAG', Digest: 'DIGEST', Type: 'TYPE', Size: 'SIZE' };

function rowOf(
  { name, digest, type, size }: Artifact,
  whole: boolean,
): Record<keyof typeof headings, string> {
  const [repository, tag] = splitImageName(name);
  return {
    Repository: repository,
    Tag: tag,
    Digest: whole ? digest : digest.slice(7, 19),
    Type: type,
    Size: formatSize(size),
  };
}
