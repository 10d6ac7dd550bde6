/** Other runtimes take their common options before the verb; here they stand behind it like all others. */
import type { OptionSpec } from '../command.js';

/** `oci --log FILE create box` as `oci create --log FILE box`; `--version` and `-v` are verbs. */
export function verbFirst(words: readonly string[], options: readonly OptionSpec[]): readonly string[] {
  let index = 1;
  for (; index < words.length; index++) {
    const word = words[index] ?? '';
    if (word === '--version' || word === '-v') return ['oci', 'version'];
    if (!word.startsWith('-')) break;
    const option = options.find(({ name }) => `--${name}` === word);
    if (option !== undefined && option.kind !== 'switch' && option.kind !== 'toggle') index++;
  }
  const verb = words.slice(index, index + 1);
  return ['oci', ...verb, ...words.slice(1, index), ...words.slice(index + 1)];
}
