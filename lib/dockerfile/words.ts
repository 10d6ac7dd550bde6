/**
 * Quotes, escapes and `$` in a word, and its splitting into words: BuildKit's shell/lex.go. Rules that
 * differ from a POSIX shell are BuildKit's.
 */
import { CoracleError } from '../errors.js';
import { isSpace } from './characters.js';
import type { EscapeToken } from './instructions.js';
import { removeMatch, replaceMatch } from './pattern.js';

/** The value of a variable; undefined where it is not set. */
export type Lookup = (name: string) => string | undefined;

export type WordOptions = {
  /** Keep the quotes in the result. */
  readonly rawQuotes?: boolean;
  /** Keep the escape characters in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes are ordinary characters (heredoc bodies). */
  readonly literalQuotes?: boolean;
  /** Leave references to unset variables as they are. */
  readonly keepUnset?: boolean;
};

export type ExpandedWord = {
  readonly text: string;
  /** `text` split at unquoted white space, that of substituted values included. */
  readonly words: readonly string[];
  /** Names that were looked up and not set, in order of appearance. */
  readonly unmatched: readonly string[];
};

const MAXIMUM_DEPTH = 64;
const NAME_CHARACTER = /^[\p{L}\p{Nd}_]$/u;
const DIGIT = /^\p{Nd}$/u;
const SPECIAL_PARAMETERS = '@*#?-$!0';

/**
 * Expands `word` with the variables `lookup` knows.
 * @throws {CoracleError} INVALID: unbalanced quotes or braces, an unknown modifier, `${name:?message}`.
 */
export function expandWord(
  word: string,
  lookup: Lookup,
  escapeToken: EscapeToken,
  options: WordOptions = {},
): ExpandedWord {
  const lexer = new Lexer(word, lookup, escapeToken, options);
  const { text, words } = lexer.run();
  return { text, words, unmatched: [...lexer.unmatched] };
}

/** Collects words while characters arrive. */
class Splitter {
  readonly words: string[] = [];
  #word = '';

  add(text: string): void {
    for (const character of text) {
      if (!isSpace(character)) this.#word += character;
      else this.finish();
    }
  }

  addRaw(text: string): void {
    this.#word += text;
  }

  finish(): readonly string[] {
    if (this.#word !== '') this.words.push(this.#word);
    this.#word = '';
    return this.words;
  }
}

class Lexer {
  readonly unmatched = new Set<string>();
  readonly #word: string;
  readonly #lookup: Lookup;
  readonly #escape: EscapeToken;
  readonly #options: WordOptions;
  #rawEscapes: boolean;
  #at = 0;
  #depth = 0;

  constructor(word: string, lookup: Lookup, escapeToken: EscapeToken, options: WordOptions) {
    this.#word = word;
    this.#lookup = lookup;
    this.#escape = escapeToken;
    this.#options = options;
    this.#rawEscapes = options.rawEscapes ?? false;
  }

  run(): { text: string; words: readonly string[] } {
    return this.#until('', this.#rawEscapes);
  }

  #fail(reason: string, hint?: string): never {
    const word = this.#word.length > 120 ? `${this.#word.slice(0, 120)}...` : this.#word;
    throw new CoracleError(
      'INVALID',
      `expand ${JSON.stringify(word)}: ${reason}`,
      hint === undefined ? {} : { hint },
    );
  }

  /** The character at the current place; empty at the end. */
  #peek(): string {
    const code = this.#word.codePointAt(this.#at);
    return code === undefined ? '' : String.fromCodePoint(code);
  }

  #next(): string {
    const character = this.#peek();
    this.#at += character.length;
    return character;
  }

  /** Reads up to and including `stop`; an empty `stop` is the end of the word. */
  #until(stop: string, rawEscapes: boolean): { text: string; words: readonly string[] } {
    const outer = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    const words = new Splitter();
    let text = '';
    for (let character = this.#peek(); character !== ''; character = this.#peek()) {
      if (character === stop) {
        this.#next();
        this.#rawEscapes = outer;
        return { text, words: words.finish() };
      }
      const { value, quoted } = this.#piece(character);
      text += value;
      if (quoted) words.addRaw(value);
      else words.add(value);
    }
    if (stop !== '') this.#fail(`missing ${stop}`);
    return { text, words: words.finish() };
  }

  /** One character, quoted text or substitution. `quoted`: white space in it does not split words. */
  #piece(character: string): { value: string; quoted: boolean } {
    if (character === '$') return { value: this.#dollar(), quoted: false };
    if (this.#options.literalQuotes !== true) {
      if (character === "'") return { value: this.#singleQuoted(), quoted: true };
      if (character === '"') return { value: this.#doubleQuoted(), quoted: true };
    }
    this.#next();
    if (character !== this.#escape) return { value: character, quoted: false };
    return { value: (this.#rawEscapes ? character : '') + this.#next(), quoted: true };
  }

  #singleQuoted(): string {
    this.#next();
    const end = this.#word.indexOf("'", this.#at);
    if (end < 0) this.#fail('missing closing single quote');
    const text = this.#word.slice(this.#at, end);
    this.#at = end + 1;
    return this.#options.rawQuotes === true ? `'${text}'` : text;
  }

  #doubleQuoted(): string {
    const quote = this.#options.rawQuotes === true ? '"' : '';
    let text = quote;
    this.#next();
    for (;;) {
      const character = this.#peek();
      if (character === '') this.#fail('missing closing double quote');
      if (character === '$') {
        text += this.#dollar();
        continue;
      }
      this.#next();
      if (character === '"') return text + quote;
      if (character !== this.#escape) {
        text += character;
        continue;
      }
      if (this.#rawEscapes) text += character;
      const escaped = this.#peek();
      if (escaped === '') continue;
      text += escaped === '"' || escaped === '$' || escaped === this.#escape ? this.#next() : character;
    }
  }

  #dollar(): string {
    this.#next();
    if (this.#peek() === '{') {
      this.#next();
      this.#depth += 1;
      if (this.#depth > MAXIMUM_DEPTH) this.#fail(`substitutions nested more than ${MAXIMUM_DEPTH} deep`);
      const value = this.#substitution();
      this.#depth -= 1;
      return value;
    }
    const name = this.#name();
    if (name === '') return '$';
    return this.#get(name) ?? (this.#options.keepUnset === true ? `$${name}` : '');
  }

  #get(name: string): string | undefined {
    const value = this.#lookup(name);
    if (value === undefined) this.unmatched.add(name);
    return value;
  }

  #name(): string {
    const first = this.#peek();
    if (DIGIT.test(first)) return this.#takeWhile(DIGIT);
    if (first !== '' && SPECIAL_PARAMETERS.includes(first)) return this.#next();
    return this.#takeWhile(NAME_CHARACTER);
  }

  #takeWhile(pattern: RegExp): string {
    const start = this.#at;
    while (pattern.test(this.#peek())) this.#next();
    return this.#word.slice(start, this.#at);
  }

  /** What follows `${`. */
  #substitution(): string {
    const first = this.#peek();
    if (first === '') this.#fail("missing '}'");
    if ('{}:'.includes(first)) this.#fail('bad substitution', 'the braces must hold the name of a variable');
    const name = this.#name();
    let modifier = this.#next();
    if (modifier === '}') return this.#get(name) ?? (this.#options.keepUnset === true ? `\${${name}}` : '');
    if (modifier === '/') return this.#replacement(name);
    const emptyIsUnset = modifier === ':';
    if (emptyIsUnset) modifier = this.#next();
    if (modifier === '') this.#fail("missing '}'");
    if (!'+-?#%'.includes(modifier)) {
      const written = (emptyIsUnset ? ':' : '') + modifier;
      this.#fail(
        `unsupported modifier ${written} in substitution`,
        'modifiers are :- - :+ + :? ? # ## % %% / //',
      );
    }
    const isPattern = modifier === '#' || modifier === '%';
    const operand = this.#until('}', isPattern).text;
    const value = this.#get(name);
    if (value === undefined && this.#options.keepUnset === true) {
      return `\${${name}${emptyIsUnset ? ':' : ''}${modifier}${operand}}`;
    }
    if (isPattern) return this.#trimmed(value ?? '', modifier, operand);
    return this.#alternative(name, value, modifier, emptyIsUnset, operand);
  }

  #trimmed(value: string, modifier: string, operand: string): string {
    const greedy = operand.startsWith(modifier);
    const pattern = greedy ? operand.slice(1) : operand;
    return removeMatch(value, pattern, modifier === '#' ? 'prefix' : 'suffix', greedy);
  }

  #alternative(
    name: string,
    value: string | undefined,
    modifier: string,
    emptyIsUnset: boolean,
    operand: string,
  ): string {
    const isSet = value !== undefined && !(emptyIsUnset && value === '');
    if (modifier === '+') return isSet ? operand : '';
    if (isSet) return value;
    if (modifier === '-') return operand;
    const state = value === undefined ? 'unset' : 'empty';
    return this.#fail(
      `${name}: ${operand === '' ? `is not allowed to be ${state}` : operand}`,
      `set ${name}`,
    );
  }

  /** `${name/pattern/replacement}` and `${name//pattern/replacement}`, after the first slash. */
  #replacement(name: string): string {
    const all = this.#peek() === '/';
    if (all) this.#next();
    const pattern = this.#until('/', true).text;
    const replacement = this.#until('}', true).text;
    const value = this.#get(name);
    if (value === undefined && this.#options.keepUnset === true)
      return `\${${name}/${pattern}/${replacement}}`;
    return replaceMatch(value ?? '', pattern, replacement, all);
  }
}
