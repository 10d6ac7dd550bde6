/** The program: finds the command, parses its words, runs it, and is the only place that sets the exit code. */
import { type Coracle, CoracleError, openCoracle, renderError } from '../lib/index.js';
import { parseArguments } from './arguments.js';
import { type Command, type Context, globalOptions, type RawValues, type Values } from './command.js';
import { commands, findCommand } from './commands.js';
import { say } from './output.js';
import { closest } from './suggest.js';

type Globals = Values<typeof globalOptions>;

async function main(argv: readonly string[]): Promise<number> {
  const split = splitAtCommand(argv);
  const before = parseArguments(split.globals, globalOptions).values;
  if (split.command === undefined || split.command === 'help') {
    const { showHelp } = await import('./help.js');
    const asked = before.help === true || split.command === 'help';
    await showHelp(split.rest[0], asked ? 1 : 2);
    return asked ? 0 : 125;
  }
  if (split.command === '__complete') {
    const { complete } = await import('./completion.js');
    return complete(split.rest, contextFor(before));
  }
  const { command } = await loadCommand(split.command);
  return runCommand(command, split.rest, before);
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
    if (option?.kind === 'string') index++;
  }
  return { globals: argv.slice(0, index), command: argv[index], rest: argv.slice(index + 1) };
}

async function loadCommand(word: string): Promise<{ readonly command: Command }> {
  const entry = findCommand(word);
  if (entry !== undefined) return entry.load();
  const near = closest(
    word,
    commands.map((candidate) => candidate.name),
  );
  throw new CoracleError('USAGE', `unknown command: ${word}`, {
    hint: near === undefined ? 'see coracle --help for the commands' : `did you mean coracle ${near}?`,
  });
}

async function runCommand(command: Command, words: readonly string[], before: RawValues): Promise<number> {
  const own = new Set(command.options.map((option) => option.name));
  const ownShorts = new Set(command.options.map((option) => option.short));
  const inherited = globalOptions
    .filter((option) => !own.has(option.name))
    .map((option) =>
      'short' in option && ownShorts.has(option.short) ? { ...option, short: undefined } : option,
    )
    .map(({ short, ...option }: { short?: string | undefined } & (typeof globalOptions)[number]) =>
      short === undefined ? option : { ...option, short },
    );
  const { values, operands } = parseArguments(words, [...command.options, ...inherited], {
    stopAtOperand: command.stopAtOperand === true,
  });
  if (values.help === true) {
    const { showHelp } = await import('./help.js');
    await showHelp(command.name, 1);
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
  throw new CoracleError('USAGE', `coracle ${command.name}: needs ${wanted}, got ${operands.length}`, {
    hint: `usage: coracle ${command.name} [OPTIONS] ${command.operands}`,
  });
}

function definedOnly(values: RawValues, names: readonly string[]): RawValues {
  return Object.fromEntries(
    names
      .filter((name) => values[name] !== undefined && values[name] !== false)
      .map((name) => [name, values[name]]),
  );
}

function contextFor(raw: RawValues): Context {
  let opened: Coracle | undefined;
  // parseArguments filled these by the same table that gives Globals its shape.
  const globals = raw as Globals;
  return {
    globals,
    open: () => {
      opened ??= openCoracle({
        ...(globals.root === undefined ? {} : { root: globals.root }),
        ...(globals['storage-driver'] === undefined ? {} : { storageDriver: globals['storage-driver'] }),
        debug: globals.debug,
      });
      return opened;
    },
  };
}

async function run(): Promise<void> {
  const argv = process.argv.slice(2);
  try {
    process.exitCode = await main(argv);
  } catch (error) {
    const debug = argv.includes('--debug') || process.env.CORACLE_DEBUG !== undefined;
    say(renderError(error, { stack: debug }));
    process.exitCode = error instanceof CoracleError ? (error.exitCode ?? 125) : 125;
  }
}

void run();
