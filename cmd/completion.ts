/** `coracle completion SHELL` prints a small script; the script asks `coracle __complete WORD...` for the candidates. */
import { CoracleError } from '../lib/index.js';
import { type Command, type Context, defineCommand, globalOptions, type OptionSpec } from './command.js';
import { findCommand, firstWords, verbsOf } from './commands.js';
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
  const found = findCommand(words.slice(0, -1).filter((word) => !word.startsWith('-')));
  if (found === undefined) return firstWords();
  if (found.kind === 'group') return verbsOf(found.group).map(({ verb }) => verb);
  const { command: chosen } = await found.entry.load();
  const options: readonly OptionSpec[] = [...chosen.options, ...globalOptions];
  const previous = options.find((option) => `--${option.name}` === words.at(-2));
  if (previous?.choices !== undefined) return previous.choices;
  if (current.startsWith('-'))
    return options.filter((option) => option.unsupported === undefined).map((option) => `--${option.name}`);
  return operandCandidates(chosen, context);
}

async function operandCandidates(chosen: Command, context: Context): Promise<readonly string[]> {
  switch (chosen.completes) {
    case 'shells':
      return Object.keys(scripts);
    case 'images':
      return (await context.open().images()).flatMap((image) => image.references);
    case 'containers':
    case 'running':
      return (await context.open().containers({ all: chosen.completes === 'containers' })).map(
        (one) => one.name,
      );
    default:
      return [];
  }
}
