/** The ways in which instructions split what follows their flags: BuildKit's parser/line_parsers.go. */
import { isSpace } from './characters.js';
import type { EscapeToken } from './instructions.js';

/** A word and where in the logical line it starts. */
export type Word = { readonly text: string; readonly offset: number };

/** BuildKit splits at these only, not at all of unicode's spaces. */
const SEPARATOR = /[\t\v\f\r ]+/;

/** Splits at white space; quotes mean nothing. `rest` has none around it. */
export function splitWhitespace(rest: string, offset: number): Word[] {
  const words: Word[] = [];
  for (const match of rest.matchAll(/[^\t\v\f\r ]+/g)) {
    words.push({ text: match[0], offset: offset + match.index });
  }
  return words;
}

/** `rest` up to the first white space, and what follows it; undefined where there is none. */
export function splitOnce(rest: string): readonly [string, string] | undefined {
  const match = SEPARATOR.exec(rest);
  if (match === null) return undefined;
  return [rest.slice(0, match.index), rest.slice(match.index + match[0].length)];
}

/** Splits at white space outside quotes. Quotes and escapes stay in the words. */
export function splitQuoted(rest: string, offset: number, escapeToken: EscapeToken): Word[] {
  const words: Word[] = [];
  let start = -1;
  let quote = '';
  let text = '';
  const characters = Array.from(rest);
  let at = 0;
  for (let index = 0; index < characters.length; index += 1) {
    let character = characters[index] ?? '';
    const position = at;
    at += character.length;
    if (quote === '' && isSpace(character)) {
      if (start >= 0 && text !== '') words.push({ text, offset: offset + start });
      start = -1;
      text = '';
      continue;
    }
    if (start < 0) start = position;
    if (character === escapeToken && quote !== "'") {
      const escaped = characters[index + 1];
      // An escape token at the very end is dropped.
      if (escaped === undefined) break;
      index += 1;
      at += escaped.length;
      character += escaped;
    } else if (character === quote) quote = '';
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    text += character;
  }
  if (start >= 0 && text !== '') words.push({ text, offset: offset + start });
  return words;
}

/** The strings of a JSON array; undefined where `rest` is no JSON array at all. BuildKit refuses other items. */
export function parseJsonWords(rest: string): readonly string[] | 'not strings' | undefined {
  if (!rest.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(rest);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!Array.isArray(value)) return undefined;
  const words: string[] = [];
  for (const item of value) {
    if (typeof item !== 'string') return 'not strings';
    words.push(item);
  }
  return words;
}
