/** `coracle working config`. */
import { type ConfigChange, CoracleError, parseDuration } from '../lib/index.js';
import { defineCommand, type Values } from './command.js';
import { splitWords } from './options/split-words.js';
import { addsHistory } from './options/working-flags.js';
import { say, visible } from './terminal/output.js';

const list = (name: string, value: string, summary: string, short?: string) =>
  ({ name, kind: 'list', value, summary, ...(short === undefined ? {} : { short }) }) as const;

const options = [
  { name: 'cmd', kind: 'string', value: 'COMMAND', summary: 'Default command: words, or a JSON list' },
  {
    name: 'entrypoint',
    kind: 'string',
    value: 'COMMAND',
    summary: 'Entrypoint: a JSON list, or a line for the shell',
  },
  { name: 'shell', kind: 'string', value: 'COMMAND', summary: 'Shell of commands in shell form' },
  { ...list('env', 'NAME=VALUE|NAME-', 'Set or remove a variable; - removes all', 'e'), name: 'env' },
  { ...list('label', 'NAME=VALUE|NAME-', 'Set or remove a label', 'l'), name: 'label' },
  {
    ...list('annotation', 'NAME=VALUE|NAME-', "Set or remove one of the manifest's annotations", 'a'),
    name: 'annotation',
  },
  { ...list('unsetlabel', 'NAME', 'Remove a label'), name: 'unsetlabel' },
  { ...list('unsetannotation', 'NAME', 'Remove an annotation'), name: 'unsetannotation' },
  { ...list('port', 'PORT[/PROTOCOL]', 'Port it listens on; PORT- removes one', 'p'), name: 'port' },
  { ...list('volume', 'DIR', 'Directory for a volume; DIR- removes one', 'v'), name: 'volume' },
  { ...list('onbuild', 'INSTRUCTION', 'Trigger for builds on the image'), name: 'onbuild' },
  {
    ...list('os-feature', 'NAME', 'Feature of the operating system it needs; NAME- removes one'),
    name: 'os-feature',
  },
  { name: 'user', short: 'u', kind: 'string', value: 'USER[:GROUP]', summary: 'User and group' },
  { name: 'workingdir', kind: 'string', value: 'DIR', summary: 'Working directory' },
  { name: 'stop-signal', kind: 'string', value: 'SIGNAL', summary: 'Signal that stops a container' },
  { name: 'hostname', kind: 'string', value: 'NAME', summary: 'Host name, for tools that read it' },
  { name: 'domainname', kind: 'string', value: 'NAME', summary: 'Domain name, for tools that read it' },
  {
    name: 'healthcheck',
    kind: 'string',
    value: 'CMD …|NONE',
    summary: 'Health check: CMD and words, or CMD-SHELL and a line',
  },
  { name: 'healthcheck-interval', kind: 'string', value: 'TIME', summary: 'Time between checks' },
  { name: 'healthcheck-timeout', kind: 'string', value: 'TIME', summary: 'Time a check may take' },
  {
    name: 'healthcheck-start-period',
    kind: 'string',
    value: 'TIME',
    summary: 'Time in which failures do not count',
  },
  { name: 'healthcheck-start-interval', kind: 'string', value: 'TIME', summary: 'Time between checks then' },
  {
    name: 'healthcheck-retries',
    kind: 'number',
    value: 'N',
    summary: 'Failures in a row that make it unhealthy',
  },
  { name: 'author', kind: 'string', value: 'TEXT', summary: 'Who made it' },
  { name: 'arch', kind: 'string', value: 'ARCH', summary: 'Architecture of the image' },
  { name: 'os', kind: 'string', value: 'OS', summary: 'Operating system of the image' },
  { name: 'os-version', kind: 'string', value: 'VERSION', summary: 'Its version' },
  { name: 'variant', kind: 'string', value: 'VARIANT', summary: 'Variant of the architecture' },
  { name: 'comment', kind: 'string', value: 'TEXT', summary: "Comment of its layer in the image's history" },
  { name: 'history-comment', kind: 'string', value: 'TEXT', summary: 'The same, over --comment' },
  {
    name: 'created-by',
    kind: 'string',
    value: 'TEXT',
    summary: "What the image's history says made its layer",
  },
  { name: 'add-history', kind: 'switch', summary: "Note the change in the image's history" },
] as const;

export const command = defineCommand({
  name: 'working config',
  summary: 'Change what the image will say of itself',
  operands: 'CONTAINER',
  count: [1, 1],
  completes: 'working',
  examples: [
    ["coracle working config --cmd 'serve --port 80' --port 80 $work", 'Its command and its port'],
    [
      'coracle working config -e LANG=C.UTF-8 -e PAGER- --user app $work',
      'A variable more, one less, and a user',
    ],
  ],
  options,
  async handler(values, [container = ''], { open }) {
    const change = readChange(values);
    if (values.entrypoint !== undefined && values.cmd === undefined)
      say(visible('warning: the command went with the entrypoint: set it with --cmd'));
    await open().working.config(
      container,
      change,
      addsHistory(values['add-history']) ? historyOf(values) : undefined,
    );
    return 0;
  },
});

type Given = Values<typeof options>;

function readChange(values: Given): ConfigChange {
  return {
    author: values.author,
    architecture: values.arch,
    os: values.os,
    osVersion: values['os-version'],
    variant: values.variant,
    command: values.cmd === undefined ? undefined : words('--cmd', values.cmd),
    entrypoint: values.entrypoint === undefined ? undefined : entrypoint(values.entrypoint),
    shell: values.shell === undefined ? undefined : words('--shell', values.shell),
    env: some(values.env.map((text) => withValue(text))),
    labels: some(values.label),
    annotations: some(values.annotation),
    unsetLabels: some(values.unsetlabel),
    unsetAnnotations: some(values.unsetannotation),
    ports: some(values.port),
    volumes: some(values.volume),
    onBuild: some(values.onbuild),
    osFeatures: some(values['os-feature']),
    user: values.user,
    workdir: values.workingdir,
    stopSignal: values['stop-signal'],
    hostname: values.hostname,
    domainname: values.domainname,
    healthcheck: healthcheck(values),
    comment: values.comment,
    historyComment: values['history-comment'],
    createdBy: values['created-by'],
  };
}

function some(texts: readonly string[]): readonly string[] | undefined {
  return texts.length === 0 ? undefined : texts;
}

/** `NAME` alone has the caller's value. */
function withValue(text: string): string {
  const own = text.includes('=') || text.endsWith('-') ? undefined : process.env[text];
  return own === undefined ? text : `${text}=${own}`;
}

function words(flag: string, text: string): readonly string[] {
  return text.trimStart().startsWith('[') ? jsonList(flag, text) : splitWords(flag, text);
}

function entrypoint(text: string): readonly string[] {
  if (text === '') return [];
  return text.trimStart().startsWith('[') ? jsonList('--entrypoint', text) : ['/bin/sh', '-c', text];
}

function jsonList(flag: string, text: string): readonly string[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value) && value.every((item): item is string => typeof item === 'string')) return value;
  } catch {
    // Said below, as for a list of other things.
  }
  throw new CoracleError('USAGE', `invalid argument "${text}" for ${flag}: no JSON list of strings`);
}

function healthcheck(values: Given): ConfigChange['healthcheck'] {
  const time = (name: keyof Given & `healthcheck-${string}`): number | undefined => {
    const text = values[name];
    return typeof text === 'string' ? parseDuration(text) : undefined;
  };
  const parts = {
    Test: values.healthcheck === undefined ? undefined : test(values.healthcheck),
    Interval: time('healthcheck-interval'),
    Timeout: time('healthcheck-timeout'),
    StartPeriod: time('healthcheck-start-period'),
    StartInterval: time('healthcheck-start-interval'),
    Retries: values['healthcheck-retries'],
  };
  const given = Object.entries(parts).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : Object.fromEntries(given);
}

function test(text: string): readonly string[] {
  const [, kind = '', rest = ''] = /^(NONE|CMD-SHELL|CMD)(?:\s+(.*))?$/s.exec(text.trim()) ?? [];
  if (kind === 'NONE' && rest === '') return ['NONE'];
  if (kind === 'CMD-SHELL' && rest !== '') return [kind, rest];
  if (kind === 'CMD' && rest !== '') return [kind, ...words('--healthcheck', rest)];
  throw new CoracleError('USAGE', `invalid argument "${text}" for --healthcheck`, {
    hint: 'CMD and a command, CMD-SHELL and a line for the shell, or NONE',
  });
}

/** The options given, as they would stand on a command line. */
function historyOf(values: Given): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    name === 'add-history' || value === undefined
      ? []
      : (Array.isArray(value) ? value : [value]).map((text) => `--${name} ${text}`),
  );
  return `config ${given.join(' ')}`;
}
