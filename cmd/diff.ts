/** `coracle diff`. */
import { defineCommand } from './command.js';
import { selectContainers } from './selection.js';
import { printLine, visible } from './terminal/output.js';

/** In podman's order. */
const letters = { changed: 'C', added: 'A', deleted: 'D' } as const;

export const command = defineCommand({
  name: 'diff',
  summary: 'Show what a container changed over its image',
  operands: 'CONTAINER',
  count: [0, 1],
  completes: 'containers',
  examples: [['coracle diff web', 'A added, C changed, D deleted']],
  options: [
    { name: 'latest', short: 'l', kind: 'switch', summary: 'The container made last' },
    {
      name: 'format',
      kind: 'string',
      value: 'FORMAT',
      choices: ['json'],
      summary: 'json: an object of lists',
    },
  ],
  async handler(values, operands, context) {
    const [name = ''] = await selectContainers('diff', operands, values, 'all', context);
    const changes = await context.open().diff(name);
    if (values.format === undefined) {
      for (const { kind, path } of changes) printLine(visible(`${letters[kind]} ${path}`));
      return 0;
    }
    const lists = Object.keys(letters).map((kind): [string, string[]] => [
      kind,
      changes.filter((change) => change.kind === kind).map(({ path }) => path),
    ]);
    printLine(
      JSON.stringify(Object.fromEntries(lists.filter(([, paths]) => paths.length > 0)), undefined, 2),
    );
    return 0;
  },
});
