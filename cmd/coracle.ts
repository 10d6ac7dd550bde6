/** The program: finds the command, parses its words, runs it, and is the only place that sets the exit code. */
import { type Coracle, CoracleError, nearest, openCoracle, renderError } from '../lib/index.js';
import { parseArguments } from './arguments.js';
import {
  type Command,
  type Context,
  globalOptions,
  type OptionSpec,
  type RawValue,
  type RawValues,
  refusedOptions,
  type Values,
} from './command.js';
import { type CommandGroup, findCommand, firstWords, verbsOf } from './commands.js';
import { say, visible } from './terminal/output.js';

type Globals = Values<typeof globalOptions>;

async function main(argv: readonly string[]): Promise<number> {
  const split = splitAtCommand(argv);
  const before = parseArguments(split.globals, globalOptions).values;
  if (split.command === undefined || split.command === 'help') {
    const { showHelp } = await import('./help.js');
    const [topic] = split.rest;
    if (topic !== undefined && !topic.startsWith('-') && findCommand(split.rest) === undefined)
      throw unknownCommand(topic);
    const asked = before.help === true || split.command === 'help';
    await showHelp(split.rest, asked ? 1 : 2);
    return asked ? 0 : 125;
  }
  if (split.command === '__complete') {
    const { complete } = await import('./completion.js');
    return complete(split.rest, contextFor(before));
  }
  const words = await wordsOf(split.command, split.rest);
  const found = findCommand(words);
  if (found?.kind === 'group') return explainGroup(found.group, words.slice(1));
  if (found === undefined) throw unknownCommand(split.command);
  const { command } = await found.entry.load();
  return runCommand(command, words.slice(found.words), before);
}

/** The command's words, its name first. */
async function wordsOf(command: string, rest: readonly string[]): Promise<readonly string[]> {
  if (command !== 'oci') return [command, ...rest];
  const { verbFirst } = await import('./oci/words.js');
  const { commonOptions, refusedEverywhere } = await import('./oci/common.js');
  const leading = [...commonOptions, ...refusedOptions(refusedEverywhere([])), ...globalOptions];
  return verbFirst([command, ...rest], leading);
}

/** Global options may stand before the command; only those with a value swallow the next word. */
function splitAtCommand(argv: readonly string[]): {
  readonly globals: readonly string[];
  readonly command: string | undefined;
  readonly rest: readonly string[];
} {
  let index = 0;
  for (; index < argv.length; index++) {
    const word = argv[index] ?? '';
    if (word === '--version' || word === '-v') return { globals: [], command: 'version', rest: [] };
    if (!word.startsWith('-')) break;
    const option = globalOptions.find((candidate) => `--${candidate.name}` === word);
    if (option?.kind === 'string' || option?.kind === 'list') index++;
  }
  return { globals: argv.slice(0, index), command: argv[index], rest: argv.slice(index + 1) };
}

function unknownCommand(word: string): CoracleError {
  const near = nearest(word, firstWords());
  return new CoracleError('USAGE', `unknown command: ${word}`, {
    hint: near === undefined ? 'see coracle --help for the commands' : `did you mean coracle ${near}?`,
  });
}

/** A group without a verb, or with one it does not have. */
async function explainGroup(group: CommandGroup, words: readonly string[]): Promise<number> {
  const verb = words.find((word) => !word.startsWith('-'));
  if (verb === undefined) {
    const { showHelp } = await import('./help.js');
    const asked = words.includes('--help') || words.includes('-h');
    await showHelp([group.name], asked ? 1 : 2);
    return asked ? 0 : 125;
  }
  const { refusedCommand } = await import('./refused-commands.js');
  const refused = refusedCommand(group.name, verb);
  if (refused !== undefined) throw refused;
  const verbs = verbsOf(group).map((one) => one.verb);
  throw new CoracleError('USAGE', `unknown command: ${group.name} ${verb}`, {
    hint: `coracle ${group.name} has ${verbs.join(', ')}`,
  });
}

async function runCommand(command: Command, words: readonly string[], before: RawValues): Promise<number> {
  const refused = refusedOptions(command.refused ?? {});
  const own = new Set([...command.options, ...refused].map((option) => option.name));
  const ownShorts = new Set([...command.options, ...refused].map((option) => option.short));
  const inherited = globalOptions
    .filter((option) => !own.has(option.name))
    .map((option) => {
      const { short, ...rest }: OptionSpec = option;
      return short === undefined || ownShorts.has(short) ? rest : option;
    });
  const { values, operands } = parseArguments(words, [...command.options, ...refused, ...inherited], {
    stopAtOperand: command.stopAtOperand === true,
  });
  if (values.help === true) {
    const { showHelp } = await import('./help.js');
    await showHelp(command.name.split(' '), 1);
    return 0;
  }
  checkCount(command, operands);
  const globals = {
    ...before,
    ...definedOnly(
      values,
      globalOptions.map((option) => option.name),
    ),
  };
  return (await command.handler(values, operands, contextFor(globals))) ?? 0;
}

function checkCount(command: Command, operands: readonly string[]): void {
  const [fewest, most] = command.count;
  if (operands.length >= fewest && operands.length <= most) return;
  const wanted =
    fewest === most
      ? `exactly ${fewest} argument${fewest === 1 ? '' : 's'}`
      : operands.length < fewest
        ? `at least ${fewest} argument${fewest === 1 ? '' : 's'}`
        : `at most ${most} argument${most === 1 ? '' : 's'}`;
  throw new CoracleError('USAGE', `${command.name}: needs ${wanted}, got ${operands.length}`, {
    hint: `usage: coracle ${command.name} [OPTIONS] ${command.operands}`,
  });
}

function definedOnly(values: RawValues, names: readonly string[]): RawValues {
  return Object.fromEntries(
    names
      .filter((name) => values[name] !== undefined && values[name] !== false && !isEmptyList(values[name]))
      .map((name) => [name, values[name]]),
  );
}

function isEmptyList(value: RawValue): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** podman's names for it, with and without the driver's. @throws USAGE for another option */
function additionalStores(options: readonly string[] | undefined): readonly string[] | undefined {
  if (options === undefined || options.length === 0) return undefined;
  return options.map((text) => {
    const path = /^(?:overlay\.)?(?:additionalimagestore|imagestore)=(.+)$/.exec(text)?.[1];
    if (path !== undefined) return path;
    throw new CoracleError('USAGE', `use --storage-opt ${text}: no such option`, {
      hint: 'additionalimagestore=DIR; several stores by several --storage-opt',
    });
  });
}

/** What is known of this run beside its result: whether stacks are wanted, and the store to close. */
const invocation: { debug: boolean; opened: Coracle | undefined } = { debug: false, opened: undefined };

function contextFor(raw: RawValues): Context {
  // parseArguments filled these by the same table that gives Globals its shape.
  const globals = raw as Globals;
  invocation.debug ||= globals.debug === true;
  return {
    globals,
    open: () => {
      invocation.opened ??= openCoracle({
        root: globals.root,
        imageStore: globals.imagestore,
        ...(globals['transient-store'] ? { transientStore: true } : {}),
        additionalImageStores: additionalStores(globals['storage-opt']),
        storageDriver: globals['storage-driver'],
        debug: invocation.debug,
        onWarning: (text) => say(visible(`warning: ${text}`)),
      });
      return invocation.opened;
    },
  };
}

async function run(): Promise<void> {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    tell(error);
    process.exitCode = exitCodeOf(error);
  }
  try {
    await invocation.opened?.close();
  } catch (error) {
    tell(error);
    process.exitCode ||= exitCodeOf(error);
  }
}

/** Where even standard error cannot be written to, the exit code is all that is left to say. */
function tell(error: unknown): void {
  const stack = invocation.debug || Boolean(process.env.CORACLE_DEBUG);
  try {
    say(visible(renderError(error, { stack })));
  } catch (failure) {
    if (!(failure instanceof CoracleError)) throw failure;
  }
}

function exitCodeOf(error: unknown): number {
  return error instanceof CoracleError ? (error.exitCode ?? 125) : 125;
}

void run();
