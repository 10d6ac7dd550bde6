/** Help texts, rendered by yargs from the same option tables that the parser reads. Loaded only when help is asked for. */
import yargs, { type Options } from 'yargs';
import { type Command, globalOptions, type OptionSpec, refusedOptions } from './command.js';
import { type CommandGroup, commands, findCommand, groups, verbsOf } from './commands.js';
import { writeAll } from './terminal/output.js';

/** Prints the help of the command or group that `words` name, or the overview, to descriptor `fd`. */
export async function showHelp(words: readonly string[], fd: 1 | 2): Promise<void> {
  const found = findCommand(words);
  const text =
    found === undefined
      ? overview()
      : found.kind === 'group'
        ? groupHelp(found.group)
        : await commandHelp((await found.entry.load()).command);
  writeAll(fd, `${text.trimEnd()}\n`);
}

/** What a group's word alone shows. */
export function groupHelp(group: CommandGroup): string {
  const lines = verbsOf(group).map(({ verb, entry }) => `  ${verb.padEnd(12)}${entry.summary}`);
  return [
    `Usage: coracle ${group.name} COMMAND`,
    '',
    group.summary,
    '',
    'Commands:',
    ...lines,
    '',
    `coracle ${group.name} COMMAND --help tells a command's options, with examples.`,
  ].join('\n');
}

/** The help text of one command. */
export async function commandHelp(command: Command): Promise<string> {
  const globals = globalsOf(command);
  let parser = yargs([])
    .scriptName('coracle')
    .help(false)
    .version(false)
    .wrap(helpWidth())
    .usage(`Usage: coracle ${command.name} [OPTIONS] ${command.operands}\n\n${command.summary}`)
    .options(
      Object.fromEntries(command.options.filter(isShown).map((option) => [option.name, yargsOption(option)])),
    )
    .group(
      command.options.filter(isShown).map((option) => option.name),
      'Options:',
    )
    .options(Object.fromEntries(globals.map((option) => [option.name, yargsOption(option)])))
    .group(
      globals.map((option) => option.name),
      'Global options:',
    );
  for (const [line, what] of command.examples) parser = parser.example(line, what);
  return parser.getHelp();
}

/** A command may know one of these names for something else. */
function globalsOf(command: Command): readonly OptionSpec[] {
  const refused = new Set(refusedOptions(command.refused ?? {}).map(({ name }) => name));
  return globalOptions.filter(({ name }) => !refused.has(name));
}

function isShown(option: OptionSpec): boolean {
  return option.unsupported === undefined;
}

function yargsOption(option: OptionSpec): Options {
  const type = {
    switch: 'boolean',
    toggle: 'boolean',
    string: 'string',
    number: 'number',
    list: 'array',
    optional: 'string',
  } as const;
  const value = option.value === undefined ? '' : ` (${option.value})`;
  return {
    type: type[option.kind],
    description: `${option.summary}${value}`,
    ...(option.short === undefined ? {} : { alias: option.short }),
    ...(option.choices === undefined ? {} : { choices: option.choices }),
  };
}

function helpWidth(): number {
  return Math.min(110, Number(process.env.COLUMNS) || process.stdout.columns || 100);
}

function overview(): string {
  const lines = [
    'Usage: coracle [OPTIONS] COMMAND',
    '',
    'Build images from Dockerfiles and run containers: no root, no daemon.',
  ];
  const single = commands.filter(({ name }) => !name.includes(' '));
  for (const group of new Set(single.map((entry) => entry.group))) {
    lines.push('', `${group}:`);
    for (const entry of single.filter((candidate) => candidate.group === group)) {
      lines.push(`  ${entry.name.padEnd(12)}${entry.summary}`);
    }
  }
  lines.push('', 'Groups of commands:');
  for (const group of groups) {
    const verbs = verbsOf(group).map(({ verb }) => verb);
    lines.push(`  ${group.name.padEnd(12)}${group.summary}: ${verbs.join(', ')}`);
  }
  lines.push('', 'Global options:');
  for (const option of globalOptions) lines.push(`  --${option.name.padEnd(16)}${option.summary}`);
  lines.push('', "coracle COMMAND --help tells a command's options, with examples.");
  return lines.join('\n');
}
