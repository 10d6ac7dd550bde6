/** `coracle inspect`. */
import { CoracleError } from '../lib/index.js';
import { type Context, defineCommand, type OptionSpec } from './command.js';
import { forEach } from './each.js';
import { compileTemplate } from './template/render.js';
import { printLine, visible } from './terminal/output.js';

export const inspectFormat = {
  name: 'format',
  short: 'f',
  kind: 'string',
  value: 'FORMAT',
  summary: '"json" or a Go template',
} as const satisfies OptionSpec;

export const inspectSize = {
  name: 'size',
  short: 's',
  kind: 'switch',
  summary: 'Of containers also SizeRw and SizeRootFs',
} as const satisfies OptionSpec;

export const command = defineCommand({
  name: 'inspect',
  summary: 'Show everything known about containers or images',
  operands: 'NAME...',
  count: [1, Number.POSITIVE_INFINITY],
  completes: 'containers',
  examples: [
    ['coracle inspect web', 'A container or an image, whatever has the name'],
    ["coracle inspect -f '{{.State.Pid}}' web", 'One field'],
    ['coracle inspect --type image debian', 'The image, even if a container is called so'],
  ],
  options: [
    inspectFormat,
    {
      name: 'type',
      short: 't',
      kind: 'string',
      value: 'TYPE',
      choices: ['all', 'container', 'image'],
      summary: 'What the name must be (default: all)',
    },
    inspectSize,
  ],
  refused: { 'name the container': 'latest,l' },
  handler: (values, operands, context) =>
    printDocuments(operands, { ...values, type: readType(values.type ?? 'all') }, context),
});

type Wanted = {
  readonly type: 'all' | 'container' | 'image';
  readonly format: string | undefined;
  readonly size?: boolean;
};

/** Each thing's document by the template, else a list of all of them. */
export async function printDocuments(
  names: readonly string[],
  { type, format = 'json', size }: Wanted,
  context: Context,
): Promise<number> {
  const render = format === 'json' ? undefined : compileTemplate(format);
  const found: unknown[] = [];
  const code = await forEach(names, context, async (name) => {
    const document = await context.open().inspect(name, { type, size: size === true });
    if (render === undefined) found.push(document);
    else printLine(visible(render(document)));
  });
  if (render === undefined) printLine(JSON.stringify(found, undefined, 4));
  return code;
}

function readType(text: string): Wanted['type'] {
  if (text === 'all' || text === 'container' || text === 'image') return text;
  throw new CoracleError('USAGE', `invalid argument "${text}" for --type`);
}
