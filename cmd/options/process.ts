/** What `run`, `create` and `exec` have in common: the process, its environment and its terminal. */
import type { OptionSpec } from '../command.js';

export const detachOption = {
  name: 'detach',
  short: 'd',
  kind: 'switch',
  summary: 'Leave it running in the background',
} as const satisfies OptionSpec;

export const processOptions = [
  {
    name: 'env',
    short: 'e',
    kind: 'list',
    value: 'NAME[=VALUE]',
    summary: 'Environment variable; without a value, that of the caller',
  },
  { name: 'env-file', kind: 'list', value: 'FILE', summary: 'File of environment variables, one a line' },
  { name: 'workdir', short: 'w', kind: 'string', value: 'DIR', summary: 'Directory to start in' },
  {
    name: 'user',
    short: 'u',
    kind: 'string',
    value: 'USER[:GROUP]',
    summary: 'User and group, by name or number',
  },
  { name: 'interactive', short: 'i', kind: 'switch', summary: 'Keep standard input open' },
  { name: 'tty', short: 't', kind: 'switch', summary: 'Give it a terminal' },
  {
    name: 'detach-keys',
    kind: 'string',
    value: 'KEYS',
    summary: 'Keys that leave it running (default: ctrl-p,ctrl-q; empty for none)',
  },
] as const satisfies readonly OptionSpec[];
