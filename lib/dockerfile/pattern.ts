/**
 * The glob patterns of `${v#p}`, `${v%p}` and `${v/p/r}`: `*`, `?`, and `\` before `*`, `?` or `\`.
 * Matched by following all possibilities at once, so that no pattern takes exponential time.
 */
import { CoracleError } from '../errors.js';

type Token = { readonly kind: 'star' | 'any' } | { readonly kind: 'literal'; readonly character: string };

/** Removes the shortest (or, `greedy`, the longest) match of `pattern` from one end of `value`. */
export function removeMatch(
  value: string,
  pattern: string,
  end: 'prefix' | 'suffix',
  greedy: boolean,
): string {
  const tokens = compile(pattern);
  const characters = Array.from(value);
  if (end === 'suffix') {
    tokens.reverse();
    characters.reverse();
  }
  const length = matchEnd(tokens, characters, 0, greedy);
  const rest = length === undefined ? characters : characters.slice(length);
  if (end === 'suffix') rest.reverse();
  return rest.join('');
}

/** Replaces the first (or every) match of `pattern`, leftmost and longest. `replacement` is literal. */
export function replaceMatch(value: string, pattern: string, replacement: string, all: boolean): string {
  const tokens = compile(pattern);
  const characters = Array.from(value);
  const output: string[] = [];
  let copied = 0;
  let search = 0;
  while (search <= characters.length) {
    const match = find(tokens, characters, search);
    if (match === undefined) break;
    output.push(...characters.slice(copied, match.start));
    // An empty match right behind the previous one is no match (Go's regexp, as sed's).
    if (match.end > copied || match.start === 0) output.push(replacement);
    copied = match.end;
    if (!all) break;
    search = Math.max(search + 1, match.end);
  }
  output.push(...characters.slice(copied));
  return output.join('');
}

function find(
  tokens: readonly Token[],
  characters: readonly string[],
  from: number,
): { start: number; end: number } | undefined {
  for (let start = from; start <= characters.length; start += 1) {
    const end = matchEnd(tokens, characters, start, true);
    if (end !== undefined) return { start, end };
  }
  return undefined;
}

function compile(pattern: string): Token[] {
  const characters = Array.from(pattern);
  const tokens: Token[] = [];
  for (let index = 0; index < characters.length; index += 1) {
    let character = characters[index] ?? '';
    if (character === '*' || character === '?') {
      tokens.push({ kind: character === '*' ? 'star' : 'any' });
      continue;
    }
    if (character === '\\') {
      index += 1;
      character = characters[index] ?? '';
      // `}` and `/` end the pattern, so they can only be in it escaped.
      if (character === '' || !'}/*?\\'.includes(character)) {
        throw new CoracleError('INVALID', `expand pattern ${pattern}: invalid escape \\${character}`, {
          hint: 'only *, ?, \\, / and } can be escaped in a pattern',
        });
      }
    }
    tokens.push({ kind: 'literal', character });
  }
  return tokens;
}

/** Where a match that starts at `start` ends: the farthest place when `greedy`, else the nearest. */
function matchEnd(
  tokens: readonly Token[],
  characters: readonly string[],
  start: number,
  greedy: boolean,
): number | undefined {
  let states = new Set<number>();
  addState(states, tokens, 0);
  let end: number | undefined;
  for (let position = start; states.size > 0; position += 1) {
    if (states.has(tokens.length)) {
      end = position;
      if (!greedy) return end;
    }
    const character = characters[position];
    if (character === undefined) break;
    const next = new Set<number>();
    for (const state of states) {
      const token = tokens[state];
      if (token === undefined || !accepts(token, character)) continue;
      addState(next, tokens, token.kind === 'star' ? state : state + 1);
    }
    states = next;
  }
  return end;
}

function accepts(token: Token, character: string): boolean {
  return token.kind === 'literal' ? token.character === character : character !== '\n';
}

/** Adds a state and those reachable from it without a character: a star may match nothing. */
function addState(states: Set<number>, tokens: readonly Token[], first: number): void {
  let state = first;
  states.add(state);
  while (tokens[state]?.kind === 'star') {
    state += 1;
    states.add(state);
  }
}
