/** `coracle exec`. */
import { CoracleError, parseRunFlags } from '../lib/index.js';
import { defineCommand } from './command.js';
import { detachOption, processOptions } from './options/process.js';
import { readTextFile } from './options/texts.js';
import { say, visible } from './terminal/output.js';

export const command = defineCommand({
  name: 'exec',
  summary: 'Run a command in a running container',
  operands: 'CONTAINER COMMAND [ARG...]',
  count: [2, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  completes: 'running',
  examples: [
    ['coracle exec -it web sh', 'A shell inside'],
    ['coracle exec -u www -e MODE=test web ./check', 'As another user, with a variable'],
    ['tar c . | coracle exec -i web tar x -C /srv', 'Through a pipe'],
  ],
  options: [
    ...processOptions,
    detachOption,
    {
      name: 'preserve-fds',
      kind: 'number',
      value: 'N',
      summary: 'Give it N more descriptors of the caller, from 3 on',
    },
    {
      name: 'privileged',
      kind: 'switch',
      summary: 'With all capabilities of the container and no filter of system calls',
    },
  ],
  refused: {
    'name the container': 'latest,l cidfile',
    'descriptors are handed on from 3 on': 'preserve-fd',
    'it does not wait for the container': 'wait',
  },
  async handler(values, [container = '', ...words], { open }) {
    const flags = {
      env: values.env,
      envFileTexts: values['env-file'].map((path) => ({ path, text: readTextFile('--env-file', path) })),
    };
    const { env } = parseRunFlags(flags, { cwd: process.cwd(), env: process.env });
    const options = {
      command: words,
      env,
      workdir: values.workdir,
      user: values.user,
      tty: values.tty,
      interactive: values.interactive,
      privileged: values.privileged,
      preserveFds: readPreserved(values['preserve-fds']),
      detachKeys: values['detach-keys'],
    };
    if (!values.detach) return open().execInForeground(container, options);
    const { warnings } = await open().exec(container, options);
    for (const text of warnings) say(visible(`warning: ${text}`));
    return 0;
  },
});

function readPreserved(count: number | undefined): number | undefined {
  if (count === undefined || count >= 0) return count;
  throw new CoracleError('USAGE', `invalid argument "${count}" for --preserve-fds: must not be negative`);
}
