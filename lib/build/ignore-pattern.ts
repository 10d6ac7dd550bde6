/** One pattern of .dockerignore, compiled as moby/patternmatcher does: `**`, and Go's filepath.Match below it. */
import { CoracleError } from '../errors.js';
import { compileGlob } from './glob.js';

/** `path`: `**` with more behind it, any directories or none. `rest`: `**` at the end. */
type Token =
  | { readonly kind: 'literal'; readonly character: string }
  | { readonly kind: 'set'; readonly source: string; readonly pattern: RegExp }
  | { readonly kind: 'any' | 'star' | 'path' | 'rest' };

export type IgnorePattern = {
  readonly text: string;
  /** Written with `!`: what it matches is taken back in. */
  readonly exclusion: boolean;
  /** True when the pattern matches this path itself; parents are the matcher's business. */
  matches(path: string): boolean;
  /** True when the pattern could match some path below this directory. */
  couldMatchBelow(directory: string): boolean;
};

/** More wildcards than this could make a backtracking regular expression slow. */
const SAFE_WILDCARDS = 3;
/** RE2's meaning of escaped letters, which patternmatcher hands through. */
const CLASS_ESCAPES: Readonly<Record<string, string>> = {
  d: '0-9',
  w: '0-9A-Za-z_',
  s: '\\t\\n\\f\\r ',
  t: '\\t',
  n: '\\n',
  r: '\\r',
  f: '\\f',
  v: '\\v',
};

/**
 * Compiles a cleaned pattern without its `!`.
 * @throws {CoracleError} INVALID: not a pattern.
 */
export function compilePattern(text: string, exclusion: boolean): IgnorePattern {
  // filepath.Match decides what is valid, for every pattern.
  compileGlob(text);
  const tokens = tokenize(text);
  const states = (path: string): ReadonlySet<number> => run(tokens, path);
  return {
    text,
    exclusion,
    matches: matcherOf(text, tokens) ?? ((path) => states(path).has(tokens.length)),
    couldMatchBelow: (directory) => {
      for (const state of states(`${directory}/`)) if (state < tokens.length || endsOpen(tokens)) return true;
      return false;
    },
  };
}

function endsOpen(tokens: readonly Token[]): boolean {
  return tokens.at(-1)?.kind === 'rest';
}

function tokenize(text: string): Token[] {
  const characters = Array.from(text);
  const tokens: Token[] = [];
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? '';
    if (character === '*' && characters[at + 1] === '*') {
      at += characters[at + 2] === '/' ? 2 : 1;
      const kind = at + 1 === characters.length ? 'rest' : 'path';
      // Several in a row mean the same as one.
      if (tokens.at(-1)?.kind !== kind) tokens.push({ kind });
    } else if (character === '*') tokens.push({ kind: 'star' });
    else if (character === '?') tokens.push({ kind: 'any' });
    else if (character === '\\') {
      at += 1;
      tokens.push(escaped(text, characters[at] ?? ''));
    } else if (character === '[') {
      const end = classEnd(characters, at);
      tokens.push(set(text, characters.slice(at + 1, end)));
      at = end;
    } else tokens.push({ kind: 'literal', character });
  }
  return tokens;
}

function escaped(text: string, character: string): Token {
  if (!/^[\p{L}\p{N}]$/u.test(character)) return { kind: 'literal', character };
  const source = `[${escapedClass(text, character)}]`;
  return { kind: 'set', source, pattern: new RegExp(`^${source}$`, 'u') };
}

function escapedClass(text: string, character: string): string {
  const known = CLASS_ESCAPES[character];
  if (known !== undefined) return known;
  throw new CoracleError('INVALID', `match pattern ${text}: unknown escape \\${character}`, {
    hint: 'letters and digits need no \\',
  });
}

/** The index of the `]` that ends the class; compileGlob has made sure that there is one. */
function classEnd(characters: readonly string[], start: number): number {
  let at = start + (characters[start + 1] === '^' ? 2 : 1);
  for (; at < characters.length && characters[at] !== ']'; at += 1) if (characters[at] === '\\') at += 1;
  return at;
}

function set(text: string, body: readonly string[]): Token {
  const negated = body[0] === '^';
  let source = '';
  for (let at = negated ? 1 : 0; at < body.length; at += 1) {
    const character = body[at] ?? '';
    const isEscaped = character === '\\';
    if (isEscaped) at += 1;
    const literal = isEscaped ? (body[at] ?? '') : character;
    if (!isEscaped && character === '-') source += '-';
    else if (isEscaped && /^[\p{L}\p{N}]$/u.test(literal)) source += escapedClass(text, literal);
    else source += quoted(literal);
  }
  const written = `[${negated ? '^' : ''}${source}]`;
  try {
    return { kind: 'set', source: written, pattern: new RegExp(`^${written}$`, 'u') };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CoracleError('INVALID', `match pattern ${text}: bad character class`, {
      cause: error,
      hint: 'write a range from the lower to the higher character',
    });
  }
}

function quoted(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/** The fast ways to match; undefined for a pattern that only `run` matches in linear time. */
function matcherOf(text: string, tokens: readonly Token[]): ((path: string) => boolean) | undefined {
  const wild = tokens.filter((token) => token.kind !== 'literal');
  const hasEscapes = text.includes('\\');
  if (wild.length === 0 && !hasEscapes) return (path) => path === text;
  const [first, last] = [tokens[0], tokens.at(-1)];
  if (wild.length === 1 && !hasEscapes && text !== '**') {
    if (last?.kind === 'rest') {
      const prefix = text.slice(0, -2);
      return (path) => path.startsWith(prefix);
    }
    // Several `**` in a row are one token, but not one text.
    if (first?.kind === 'path' && !text.includes('*', 2)) {
      const suffix = text.slice(2);
      return (path) => path.endsWith(suffix) || (suffix.startsWith('/') && path === suffix.slice(1));
    }
  }
  if (wild.filter((token) => token.kind !== 'any' && token.kind !== 'set').length > SAFE_WILDCARDS)
    return undefined;
  const expression = new RegExp(`^${tokens.map(sourceOf).join('')}$`, 'u');
  return (path) => expression.test(path);
}

function sourceOf(token: Token): string {
  switch (token.kind) {
    case 'literal':
      return quoted(token.character);
    case 'set':
      return token.source;
    case 'any':
      return '[^/]';
    case 'star':
      return '[^/]*';
    case 'path':
      return '(?:[^\\n]*/)?';
    case 'rest':
      return '[^\\n]*';
  }
}

/**
 * The states the pattern can be in after `path`: state n means that the tokens before n are done.
 * A `path` token has a second state (n + 0.5): inside directories, to be left at a slash.
 */
function run(tokens: readonly Token[], path: string): Set<number> {
  let states = new Set<number>();
  enter(states, tokens, 0);
  for (const character of path) {
    const next = new Set<number>();
    for (const state of states) advance(next, tokens, state, character);
    if (next.size === 0) return next;
    states = next;
  }
  return states;
}

function advance(next: Set<number>, tokens: readonly Token[], state: number, character: string): void {
  const index = Math.floor(state);
  const token = tokens[index];
  if (token === undefined) return;
  if (token.kind === 'path') {
    if (state === index || character === '\n') return;
    next.add(state);
    if (character === '/') enter(next, tokens, index + 1);
  } else if (token.kind === 'rest') {
    if (character !== '\n') enter(next, tokens, index);
  } else if (token.kind === 'star') {
    if (character !== '/') enter(next, tokens, index);
  } else if (accepts(token, character)) enter(next, tokens, index + 1);
}

function accepts(token: Token, character: string): boolean {
  if (token.kind === 'literal') return token.character === character;
  if (token.kind === 'set') return token.pattern.test(character);
  return character !== '/';
}

/** Adds a state and all that follow it without a character. */
function enter(states: Set<number>, tokens: readonly Token[], first: number): void {
  for (let state = first; ; state += 1) {
    states.add(state);
    const kind = tokens[state]?.kind;
    if (kind === 'path') states.add(state + 0.5);
    if (kind !== 'path' && kind !== 'rest' && kind !== 'star') return;
  }
}
