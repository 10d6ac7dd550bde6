/** `coracle completion SHELL` prints a small script; the script asks `coracle __complete WORD...` for the candidates. */
import { CoracleError } from '../lib/index.js';
import { type Completes, type Context, defineCommand, globalOptions, type OptionSpec } from './command.js';
import { type CommandGroup, findCommand, firstWords, verbsOf } from './commands.js';
import { writeAll } from './terminal/output.js';

const scripts: Readonly<Record<string, string>> = {
  bash: `_coracle() {
  local IFS=$'\\n' words
  words=$(coracle __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _coracle coracle
`,
  zsh: `#compdef coracle
_coracle() {
  local -a found
  found=("\${(@f)$(coracle __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  (( \${#found} )) && [[ -n "\${found[1]}" ]] && compadd -a found || _files
}
compdef _coracle coracle
`,
  fish: `complete -c coracle -a '(coracle __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
};

export const command = defineCommand({
  name: 'completion',
  summary: 'Print a completion script for bash, zsh or fish',
  operands: 'bash|zsh|fish',
  count: [1, 1],
  completes: 'shells',
  examples: [['source <(coracle completion bash)', 'Complete in this shell']],
  options: [],
  async handler(_values, [shell = '']) {
    const script = scripts[shell];
    if (script === undefined) {
      throw new CoracleError(
        'USAGE',
        `complete for shell "${shell}": must be ${Object.keys(scripts).join(', ')}`,
      );
    }
    writeAll(1, script);
    return 0;
  },
});

/** Prints the candidates for the last of `words`, one a line. */
export async function complete(words: readonly string[], context: Context): Promise<number> {
  const current = words.at(-1) ?? '';
  const candidates = (await candidatesFor(words, current, context)).filter((word) =>
    word.startsWith(current),
  );
  if (candidates.length > 0) writeAll(1, `${candidates.join('\n')}\n`);
  return 0;
}

async function candidatesFor(
  words: readonly string[],
  current: string,
  context: Context,
): Promise<readonly string[]> {
  const before = words.slice(0, -1);
  const asked = valueOption(globalOptions, before.at(-1));
  if (asked !== undefined) return asked.choices ?? [];
  const rest = before.slice(operandPlaces(before, globalOptions)[0] ?? before.length);
  const found = findCommand(rest);
  if (found === undefined) return firstWords();
  if (found.kind === 'group') return nextWords(found.group, rest.slice(1));
  const { command: chosen } = await found.entry.load();
  const options: readonly OptionSpec[] = [...chosen.options, ...globalOptions];
  const given = rest.slice(found.words);
  const [operand] = operandPlaces(given, options);
  // Behind the image or container come words that are not ours.
  if (chosen.stopAtOperand === true && operand !== undefined) return [];
  const previous = valueOption(options, given.at(-1));
  if (previous !== undefined)
    return previous.choices ?? previous.suggests ?? candidatesOf(previous.completes, context);
  if (current.startsWith('-'))
    return options.filter((option) => option.unsupported === undefined).map((option) => `--${option.name}`);
  return candidatesOf(chosen.completes, context);
}

/** What may follow a group's word, or the first word of a verb of two. */
function nextWords(group: CommandGroup, given: readonly string[]): readonly string[] {
  const verbs = verbsOf(group).map(({ verb }) => verb.split(' '));
  const fitting = verbs.filter((words) => given.every((word, at) => words[at] === word));
  return [...new Set(fitting.flatMap((words) => words[given.length] ?? []))];
}

/** The option that takes the word behind `word` as its value. */
function valueOption(options: readonly OptionSpec[], word: string | undefined): OptionSpec | undefined {
  const short = word === undefined ? undefined : /^-[a-z]*([a-z])$/i.exec(word)?.[1];
  return options.find(
    ({ name, short: letter, kind }) =>
      (`--${name}` === word || (letter !== undefined && letter === short)) &&
      (kind === 'string' || kind === 'number' || kind === 'list'),
  );
}

/** Where the words stand that are neither options nor their values. */
function operandPlaces(words: readonly string[], options: readonly OptionSpec[]): readonly number[] {
  return [...words.keys()].filter(
    (index) => !words[index]?.startsWith('-') && valueOption(options, words[index - 1]) === undefined,
  );
}

async function candidatesOf(what: Completes | undefined, context: Context): Promise<readonly string[]> {
  switch (what) {
    case 'shells':
      return Object.keys(scripts);
    case 'images':
      return (await context.open().images()).flatMap((image) => image.references);
    case 'artifacts':
      return (await context.open().artifacts()).map(({ name }) => name);
    case 'containers':
    case 'running':
      return (await context.open().containers({ all: what === 'containers' })).map((one) => one.name);
    case 'volumes':
      return (await context.open().volumes()).map(({ name }) => name);
    case 'pods':
      return (await context.open().pods()).map(({ name }) => name);
    case 'working':
      return (await context.open().working.list()).map(({ name }) => name);
    case 'networks':
      return (await context.open().networks()).map(({ name }) => name);
    case 'secrets':
      return (await context.open().secrets()).map(({ name }) => name);
    default:
      return [];
  }
}
