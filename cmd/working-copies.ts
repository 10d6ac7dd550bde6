/** What `working copy` and `add` have in common. */
import type { WorkingCopyRequest } from '../lib/index.js';
import type { Context, OptionSpec, Values } from './command.js';
import { interruptible } from './interrupt.js';
import { readPullPolicy } from './options/pull-policy.js';
import { registryAccess, registryOptions, trustOptions } from './options/registry.js';
import { addsHistory } from './options/working-flags.js';
import { printLine, say, visible } from './terminal/output.js';

export const workingCopyOptions = [
  {
    name: 'chown',
    kind: 'string',
    value: 'USER[:GROUP]',
    summary: 'Owner of what is copied (default: root)',
  },
  { name: 'chmod', kind: 'string', value: 'MODE', summary: 'Its mode, octal or as u=rwX,go=rX' },
  { name: 'exclude', kind: 'list', value: 'PATTERN', summary: 'Leave these out, as .dockerignore has them' },
  {
    name: 'contextdir',
    kind: 'string',
    value: 'DIR',
    summary: 'Where the sources lie, and which they do not lead out of',
  },
  { name: 'ignorefile', kind: 'string', value: 'FILE', summary: "Instead of the context directory's own" },
  { name: 'add-history', kind: 'switch', summary: "Note it in the image's history" },
  { name: 'quiet', short: 'q', kind: 'switch', summary: 'Do not print the digest of what was copied' },
] as const satisfies readonly OptionSpec[];

export const workingFromOptions = [
  {
    name: 'from',
    kind: 'string',
    value: 'CONTAINER|IMAGE',
    summary: 'Copy from it instead of from this host',
    completes: 'working',
  },
  {
    name: 'pull',
    kind: 'optional',
    bare: 'always',
    value: 'POLICY',
    choices: ['always', 'missing', 'newer', 'never', 'true', 'false'],
    summary: 'When to ask the registry for the image (default: missing)',
  },
  ...registryOptions,
  ...trustOptions,
] as const satisfies readonly OptionSpec[];

type CopyValues = Values<typeof workingCopyOptions> & Partial<Values<typeof workingFromOptions>>;

/** Does the copy. Of several operands the last is the destination; one alone goes into the working directory. */
export async function copyInto(
  kind: 'copy' | 'add',
  values: CopyValues,
  operands: readonly string[],
  { open }: Context,
  more: Partial<WorkingCopyRequest>,
): Promise<number> {
  const [container = '', ...paths] = operands;
  const [sources, destination] = paths.length === 1 ? [paths, undefined] : [paths.slice(0, -1), paths.at(-1)];
  const { working } = open();
  const digest = await interruptible((signal) =>
    working[kind](container, {
      sources,
      destination,
      chown: values.chown,
      chmod: values.chmod,
      excludes: values.exclude,
      contextDirectory: values.contextdir,
      ignoreFile: values.ignorefile,
      addHistory: addsHistory(values['add-history']),
      digest: !values.quiet,
      ...more,
      signal,
      onWarning: (text) => say(visible(`warning: ${text}`)),
    }),
  );
  if (digest !== undefined) printLine(digest);
  return 0;
}

/** Where files come from other than this host. */
export function copySource(values: Values<typeof workingFromOptions>): Partial<WorkingCopyRequest> {
  return { from: values.from, policy: readPullPolicy(values.pull), access: registryAccess(values) };
}
