/**
 * Go's path/filepath.Match, which COPY and ADD use for their sources: `*` (no slash), `?` (no slash),
 * `[a-z]`, `[^a-z]`, and `\` before any character.
 */
import { CoracleError } from '../errors.js';

type Range = { readonly low: number; readonly high: number };
type Item =
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'class'; readonly negated: boolean; readonly ranges: readonly Range[] };
/** What stands between two stars; `star`: one stands before it. Each item takes one character. */
type Chunk = { readonly star: boolean; readonly items: readonly Item[] };

export type Glob = {
  readonly pattern: string;
  /** True when the pattern matches all of `name`. A star or `?` never takes a slash. */
  matches(name: string): boolean;
};

/** True when `pattern` holds a wildcard that is not escaped. */
export function hasWildcards(pattern: string): boolean {
  return /[*?[]/.test(pattern.replace(/\\[\s\S]/g, ''));
}

/** A pattern without wildcards as the path it means: escapes resolved. */
export function unescapePattern(pattern: string): string {
  return pattern.replace(/\\([\s\S])/g, '$1');
}

/**
 * Compiles a pattern. Its characters are code points; a caller that matches bytes hands in latin1.
 * @throws {CoracleError} INVALID: what Go calls ErrBadPattern (an open or empty class, a `\` at the end).
 */
export function compileGlob(pattern: string): Glob {
  const chunks = new Compiler(pattern).chunks();
  return { pattern, matches: (name) => matchChunks(chunks, Array.from(name)) };
}

class Compiler {
  readonly #pattern: string;
  readonly #characters: readonly string[];
  #at = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#characters = Array.from(pattern);
  }

  chunks(): Chunk[] {
    const chunks: Chunk[] = [];
    while (this.#at < this.#characters.length) {
      let star = false;
      for (; this.#peek() === '*'; this.#at += 1) star = true;
      const items: Item[] = [];
      while (this.#at < this.#characters.length && this.#peek() !== '*') items.push(this.#item());
      chunks.push({ star, items });
    }
    return chunks;
  }

  #peek(): string {
    return this.#characters[this.#at] ?? '';
  }

  #next(): string {
    const character = this.#peek();
    if (character === '') this.#fail('it ends too early');
    this.#at += 1;
    return character;
  }

  #fail(reason: string): never {
    const hint = 'classes are written [abc] or [^a-z], and \\ goes before a character to take literally';
    throw new CoracleError('INVALID', `match pattern ${this.#pattern}: ${reason}`, { hint });
  }

  #item(): Item {
    const character = this.#next();
    if (character === '?') return { kind: 'any' };
    if (character === '[') return this.#class();
    return { kind: 'literal', character: character === '\\' ? this.#next() : character };
  }

  #class(): Item {
    const negated = this.#peek() === '^';
    if (negated) this.#at += 1;
    const ranges: Range[] = [];
    while (this.#peek() !== ']' || ranges.length === 0) {
      const low = this.#bound();
      let high = low;
      if (this.#peek() === '-') {
        this.#at += 1;
        high = this.#bound();
      }
      ranges.push({ low, high });
    }
    this.#at += 1;
    return { kind: 'class', negated, ranges };
  }

  #bound(): number {
    let character = this.#next();
    if (character === '-' || character === ']') this.#fail(`${character} must be escaped in a class`);
    if (character === '\\') character = this.#next();
    return character.codePointAt(0) ?? 0;
  }
}

function matchChunks(chunks: readonly Chunk[], name: readonly string[]): boolean {
  let at = 0;
  for (const [index, chunk] of chunks.entries()) {
    const isLast = index === chunks.length - 1;
    const end = chunkEnd(chunk, name, at, isLast);
    if (end === undefined) return false;
    at = end;
  }
  return at === name.length;
}

/** Where the chunk's first match ends; the last chunk must end with the name. */
function chunkEnd(chunk: Chunk, name: readonly string[], from: number, isLast: boolean): number | undefined {
  for (let start = from; start <= name.length; start += 1) {
    const end = start + chunk.items.length;
    if ((!isLast || end === name.length) && itemsMatch(chunk.items, name, start)) return end;
    if (!chunk.star || name[start] === '/') return undefined;
  }
  return undefined;
}

function itemsMatch(items: readonly Item[], name: readonly string[], start: number): boolean {
  return items.every((item, index) => {
    const character = name[start + index];
    return character !== undefined && itemMatches(item, character);
  });
}

function itemMatches(item: Item, character: string): boolean {
  if (item.kind === 'literal') return item.character === character;
  if (item.kind === 'any') return character !== '/';
  const code = character.codePointAt(0) ?? 0;
  return item.ranges.some((range) => range.low <= code && code <= range.high) !== item.negated;
}
