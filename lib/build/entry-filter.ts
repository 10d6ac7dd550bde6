/**
 * Which entries below a source COPY takes: `--exclude` leaves out, `--parents` takes only what its pattern names. Paths are
 * relative to what is copied; patterns are those of .dockerignore, as BuildKit has it. A directory that is not taken
 * itself is made all the same when something below it is.
 */
import { IgnoreMatcher, type IgnoreState } from './ignore.js';

/** What a filter looks at: UTF-8 names with slashes, empty for the source itself. */
type Named = { readonly relative: string };

/** One condition: what its patterns match is taken (`takes`), or is what is left out. */
type Gate = { readonly matcher: IgnoreMatcher; readonly takes: boolean; readonly start: IgnoreState };

type Level<E> = {
  /** The path of the directory with a slash at its end; empty for the source itself. */
  readonly prefix: string;
  /** What each gate knows of it. */
  readonly states: readonly IgnoreState[];
  /** The directory's entry, while nothing below it was taken and it is not taken itself. */
  pending: E | undefined;
};

export type CopyRules = {
  readonly excludes: readonly string[];
  /** Undefined: everything. */
  readonly include?: string | undefined;
};

/** The rules of one source, compiled. */
export class EntryRules {
  /** Equal for equal rules. */
  readonly key: string;
  readonly #include: IgnoreMatcher | undefined;
  readonly #exclude: IgnoreMatcher | undefined;

  /** @throws {CoracleError} INVALID for what is no pattern. */
  constructor({ excludes, include }: CopyRules = { excludes: [] }) {
    this.key = JSON.stringify([include ?? null, ...excludes]);
    this.#include = include === undefined ? undefined : new IgnoreMatcher([include], '--parents');
    this.#exclude = excludes.length === 0 ? undefined : new IgnoreMatcher(excludes, '--exclude');
  }

  /** True when everything is taken. */
  get isEmpty(): boolean {
    return this.#include === undefined && this.#exclude === undefined;
  }

  /** Whether a source that is a file is taken: the patterns of `--exclude` see its name alone. */
  takesFile(name: string): boolean {
    return this.#exclude?.ignores(name) !== true;
  }

  /** Whether something at or below this path may be taken, so that its directory must be read. */
  mayTakeBelow(path: string): boolean {
    if (path === '') return true;
    const included = this.#include === undefined ? undefined : stateAt(this.#include, path);
    if (included !== undefined && !included.ignored && this.#include?.mayMatchBelow(path) === false)
      return false;
    if (this.#exclude === undefined) return true;
    const excluded = stateAt(this.#exclude, path);
    return !excluded.ignored || this.#exclude.couldReincludeBelow(excluded);
  }

  /**
   * For one walk: entries in depth-first order, a directory before its children. `ignore` leaves out too, by paths
   * from its own root, of which the source is at `at`.
   */
  filter<E extends Named>(ignore?: IgnoreMatcher, at = '.'): EntryFilter<E> {
    const gates: Gate[] = [];
    const add = (matcher: IgnoreMatcher | undefined, takes: boolean, path = '.'): void => {
      if (matcher !== undefined) gates.push({ matcher, takes, start: stateAt(matcher, path) });
    };
    add(this.#include, true);
    add(this.#exclude, false);
    add(ignore?.isEmpty === false ? ignore : undefined, false, at);
    return new EntryFilter(gates);
  }

  /** The entries that are taken. */
  apply<E extends Named & { readonly type: string }>(entries: readonly E[]): readonly E[] {
    if (this.isEmpty) return entries;
    const filter = this.filter<E>();
    return entries.flatMap((entry) => filter.admit(entry, entry.type === 'directory'));
  }
}

export class EntryFilter<E extends Named> {
  readonly #gates: readonly Gate[];
  readonly #levels: Level<E>[];

  constructor(gates: readonly Gate[]) {
    this.#gates = gates;
    this.#levels = [{ prefix: '', states: gates.map(({ start }) => start), pending: undefined }];
  }

  /** What is to be copied now: the entry with those directories above it that waited for it, or nothing. */
  admit(entry: E, isDirectory: boolean): readonly E[] {
    const { relative } = entry;
    if (relative === '') return [entry];
    const parent = this.#parent(relative);
    const name = relative.slice(parent.prefix.length);
    const states = this.#gates.map(({ matcher }, index) => {
      const above = parent.states[index];
      return matcher.enter(above ?? matcher.root(), name);
    });
    const taken = this.#gates.every(({ takes }, index) => states[index]?.ignored === takes);
    if (isDirectory)
      this.#levels.push({ prefix: `${relative}/`, states, pending: taken ? undefined : entry });
    return taken ? [...this.#waiting(), entry] : [];
  }

  #parent(relative: string): Level<E> {
    for (;;) {
      const level = this.#levels.at(-1);
      if (level === undefined) throw new RangeError(`entry ${relative} outside of what is walked`);
      if (relative.startsWith(level.prefix)) return level;
      this.#levels.pop();
    }
  }

  #waiting(): readonly E[] {
    const waiting: E[] = [];
    for (const level of this.#levels) {
      if (level.pending !== undefined) waiting.push(level.pending);
      level.pending = undefined;
    }
    return waiting;
  }
}

/** The state at a path, every directory above it looked at first. */
export function stateAt(matcher: IgnoreMatcher, path: string): IgnoreState {
  let state = matcher.root();
  if (path === '.') return state;
  for (const name of path.split('/')) state = matcher.enter(state, name);
  return state;
}
