/** `coracle working run`. */
import { isatty } from 'node:tty';
import { checkIsolation } from '../lib/index.js';
import { defineCommand } from './command.js';
import { interruptible } from './interrupt.js';
import { readAssignments } from './options/texts.js';
import {
  addsHistory,
  refusedOfWorking,
  workingHostOptions,
  workingSandboxOptions,
  workingTexts,
} from './options/working-flags.js';
import { say, visible, writeAll } from './terminal/output.js';

export const command = defineCommand({
  name: 'working run',
  summary: 'Run a command in a working container',
  operands: 'CONTAINER [--] COMMAND [ARG...]',
  count: [2, Number.POSITIVE_INFINITY],
  stopAtOperand: true,
  completes: 'working',
  examples: [
    ['coracle working run $work -- apt-get update', 'What it writes stays in the working container'],
    [
      'coracle working run --mount type=cache,target=/var/cache/apt $work apt-get install -y curl',
      'With a cache',
    ],
    ['coracle working run -t $work bash', 'On a terminal'],
  ],
  options: [
    {
      name: 'env',
      short: 'e',
      kind: 'list',
      value: 'NAME[=VALUE]',
      summary: 'Environment variable for this command',
    },
    {
      name: 'user',
      kind: 'string',
      value: 'USER[:GROUP]',
      summary: "User and group (default: the config's)",
    },
    {
      name: 'workingdir',
      kind: 'string',
      value: 'DIR',
      summary: "Directory to start in (default: the config's)",
      aliases: ['workdir'],
    },
    { name: 'hostname', kind: 'string', value: 'NAME', summary: 'Host name' },
    { name: 'mount', kind: 'list', value: 'type=TYPE,…', summary: 'As RUN --mount: bind, cache or tmpfs' },
    { name: 'contextdir', kind: 'string', value: 'DIR', summary: 'Where the sources of bind mounts lie' },
    {
      name: 'tty',
      short: 't',
      kind: 'toggle',
      summary: 'Give it a terminal (default: when there is one)',
      aliases: ['terminal'],
    },
    { name: 'add-history', kind: 'switch', summary: "Note it in the image's history" },
    { name: 'isolation', kind: 'string', value: 'KIND', summary: 'oci or rootless, which are the same here' },
    {
      name: 'no-pivot',
      kind: 'switch',
      summary: 'Accepted: no command ever runs with less than a pivoted root',
    },
    ...workingSandboxOptions,
    ...workingHostOptions,
  ],
  refused: {
    ...refusedOfWorking,
    'the files are those of the sandbox': 'no-hosts no-hostname',
    'a command that fails is a failure': 'valid-exit-codes',
  },
  async handler(values, [container = '', ...words], { open }) {
    if (values.isolation !== undefined) checkIsolation(values.isolation);
    const args = words[0] === '--' ? words.slice(1) : words;
    const terminal = values.tty ?? (isatty(0) && isatty(1));
    return interruptible((signal) =>
      open().working.run(container, {
        args,
        env: Object.entries(readAssignments('--env', values.env, process.env)).map((pair) => pair.join('=')),
        user: values.user,
        workdir: values.workingdir,
        hostname: values.hostname,
        mounts: values.mount,
        contextDirectory: values.contextdir,
        texts: workingTexts(values),
        terminal,
        input: process.stdin,
        addHistory: addsHistory(values['add-history']),
        signal,
        onOutput: (stream, chunk) => writeAll(stream, chunk),
        onWarning: (text) => say(visible(`warning: ${text}`)),
      }),
    );
  },
});
