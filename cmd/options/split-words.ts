/** Splits a line into words as a shell does, without expanding anything: quotes and backslashes. */
import { CoracleError } from '../../lib/index.js';

/** @throws USAGE for a quote that is never closed. */
export function splitWords(flag: string, text: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote === '' && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (quote === '' && (character === '"' || character === "'")) {
      quote = character;
      word ??= '';
    } else if (character === quote) quote = '';
    else if (character === '\\' && quote !== "'" && at + 1 < text.length) {
      at++;
      const next = text.charAt(at);
      word = `${word ?? ''}${quote === '"' && !'"\\$`'.includes(next) ? '\\' : ''}${next}`;
    } else word = `${word ?? ''}${character}`;
  }
  if (quote !== '')
    throw new CoracleError('USAGE', `invalid argument ${text} for ${flag}: a quote is not closed`);
  return word === undefined ? words : [...words, word];
}
