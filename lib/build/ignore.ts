/**
 * .dockerignore: which paths of a build context are left out. Exactly moby/patternmatcher's
 * MatchesUsingParentResults: the last matching pattern wins, a match of a directory holds for all
 * below it, `!` takes back in.
 */
import { trim } from '../dockerfile/characters.js';
import { CoracleError } from '../errors.js';
import { compilePattern, type IgnorePattern } from './ignore-pattern.js';

/** What is known of one path; given to `enter` for what is below it. */
export type IgnoreState = {
  /** Relative to the context, slashes between names; empty for the context itself. */
  readonly path: string;
  readonly ignored: boolean;
  /** Per pattern: it matches this path or a parent. */
  readonly matched: readonly boolean[];
};

/**
 * The patterns of an ignore file, cleaned: comments (`#` in the first column) and blank lines gone,
 * white space trimmed, `filepath.Clean`ed, a leading slash dropped.
 */
export function parseIgnoreFile(text: string): string[] {
  const patterns: string[] = [];
  for (const line of text.replace(/^\ufeff/, '').split(/\r?\n/)) {
    if (line.startsWith('#')) continue;
    const trimmed = trim(line);
    if (trimmed === '') continue;
    const exclusion = trimmed.startsWith('!');
    const pattern = exclusion ? trim(trimmed.slice(1)) : trimmed;
    patterns.push((exclusion ? '!' : '') + relative(pattern));
  }
  return patterns;
}

function relative(pattern: string): string {
  if (pattern === '') return '';
  const clean = cleanPath(pattern);
  return clean.length > 1 && clean.startsWith('/') ? clean.slice(1) : clean;
}

/** Go's filepath.Clean: `.` and empty elements gone, `..` resolved as far as possible; `.` for nothing. */
export function cleanPath(path: string): string {
  const rooted = path.startsWith('/');
  const elements: string[] = [];
  for (const element of path.split('/')) {
    if (element === '' || element === '.') continue;
    if (element !== '..') elements.push(element);
    else if (elements.length > 0 && elements.at(-1) !== '..') elements.pop();
    else if (!rooted) elements.push('..');
  }
  const joined = elements.join('/');
  return rooted ? `/${joined}` : joined || '.';
}

/** Decides for a tree of paths; `enter` carries the parents' matches down, so that no path is matched twice. */
export class IgnoreMatcher {
  readonly #patterns: readonly IgnorePattern[];
  readonly #exclusions: readonly IgnorePattern[];

  /**
   * `patterns` as of `parseIgnoreFile` or the values of `--exclude`; `origin` names them in errors.
   * @throws {CoracleError} INVALID: a lone `!`, or not a pattern.
   */
  constructor(patterns: readonly string[], origin = '.dockerignore') {
    this.#patterns = patterns
      .map(trim)
      .filter(Boolean)
      .map((pattern) => compile(pattern, origin));
    this.#exclusions = this.#patterns.filter((pattern) => pattern.exclusion);
  }

  /** True when there is nothing to leave out. */
  get isEmpty(): boolean {
    return this.#patterns.length === 0;
  }

  /** True when a pattern takes something back in. */
  get hasExclusions(): boolean {
    return this.#exclusions.length > 0;
  }

  /** True when one pattern alone leaves out all there is. */
  get ignoresAll(): boolean {
    return this.#patterns.some(({ text, exclusion }) => !exclusion && /^(\*|\*\*|\*\*\/\*)$/.test(text));
  }

  /** The state of the context directory itself, which is never ignored. */
  root(): IgnoreState {
    return { path: '', ignored: false, matched: [] };
  }

  /** The state of the entry `name` of the directory `parent`. */
  enter(parent: IgnoreState, name: string): IgnoreState {
    const path = parent.path === '' ? name : `${parent.path}/${name}`;
    let ignored = false;
    const matched = this.#patterns.map((pattern, index) => {
      // As in moby, a pattern that cannot change the result here is not tried, and then counts as no match
      // for what is below: `b/*/a !b/*` leaves out b/x/a, because b/* was not tried on b/x.
      const isMatch =
        parent.matched[index] === true || (pattern.exclusion === ignored && pattern.matches(path));
      if (isMatch) ignored = !pattern.exclusion;
      return isMatch;
    });
    return { path, ignored, matched };
  }

  /** True when something below an ignored directory may be taken back in, so it must be read. */
  couldReincludeBelow(state: IgnoreState): boolean {
    return this.#exclusions.some((pattern) => pattern.couldMatchBelow(state.path));
  }

  /** Whether any pattern could match a path below this directory. */
  mayMatchBelow(directory: string): boolean {
    return this.#patterns.some((pattern) => pattern.couldMatchBelow(directory));
  }

  /** Whether one path is ignored: `enter` for each of its elements. The context itself never is. */
  ignores(path: string): boolean {
    let state = this.root();
    const clean = cleanPath(path);
    if (clean === '.') return false;
    for (const name of clean.split('/')) state = this.enter(state, name);
    return state.ignored;
  }
}

function compile(pattern: string, origin: string): IgnorePattern {
  const cleaned = cleanPath(pattern);
  const exclusion = cleaned.startsWith('!');
  const text = exclusion ? cleaned.slice(1) : cleaned;
  if (text === '') {
    throw new CoracleError('INVALID', `read ${origin}: a line holds nothing but !`, {
      hint: 'write ! and the pattern of what to take back in',
    });
  }
  try {
    return compilePattern(text, exclusion);
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    throw new CoracleError('INVALID', `read ${origin}: ${error.message}`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}
