/**
 * The build context as COPY sees it: paths resolved inside it (no link leads out), what the ignore file leaves out left out,
 * entries in a fixed order. Synchronous, since a cached build does little else.
 */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { EntryRules } from './entry-filter.js';
import { compileGlob, hasWildcards, unescapePattern } from './glob.js';
import { cleanPath, type IgnoreMatcher, type IgnoreState } from './ignore.js';
import { stampOf } from './stat-cache.js';

/** A source that a pattern named. */
export type Match = {
  /** Without links, relative to the tree's root; `.` is the root. */
  readonly path: string;
  /** The last component as it was written or matched. */
  readonly name: string;
  readonly isDirectory: boolean;
};

export type ContextEntry = {
  /** Relative to the match; empty for the match itself. */
  readonly relative: string;
  /** Relative to the context. */
  readonly path: string;
  readonly stat: ContextStat;
  /** Of symbolic links. */
  readonly target: string;
};

/** What is kept of a file's attributes: exact, so that a later change shows, and little, since there may be many. */
export type ContextStat = {
  readonly type: 'file' | 'directory' | 'symlink';
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly stamp: string;
};

type Walk = { readonly collected: ContextEntry[]; readonly rules: EntryRules | undefined };

const linkLimit = 40;

export class ContextTree {
  readonly root: string;
  readonly ignore: IgnoreMatcher;

  constructor(root: string, ignore: IgnoreMatcher) {
    this.root = root;
    this.ignore = ignore;
  }

  /**
   * What a source of COPY names: one path, or all matches of a pattern in byte order, of which there may be none.
   * @throws INVALID for a path that leads out of the context, NOT_FOUND when nothing is at the path.
   */
  expand(source: string): readonly Match[] {
    const cleaned = cleanPath(source.replace(/^\/+/, '') || '.');
    if (cleaned === '..' || cleaned.startsWith('../')) {
      throw new CoracleError('INVALID', `copy ${source}: the path leads out of the build context`, {
        hint: 'move the file into the context, or build with a context further up',
      });
    }
    const paths = hasWildcards(cleaned) ? this.#glob(cleaned) : [unescapePattern(cleaned)];
    const matches = paths.flatMap((path) => this.#match(path) ?? []);
    if (matches.length === 0 && !hasWildcards(cleaned)) throw this.#notFound(source, cleaned);
    return matches;
  }

  /** The match and all below it that the rules take, a directory before its children. */
  entries(match: Match, rules?: EntryRules): readonly ContextEntry[] {
    const collected: ContextEntry[] = [];
    const walk = { collected, rules: rules?.isEmpty === false ? rules : undefined };
    this.#collect(match.path, '', this.#stateOf(match.path), walk);
    if (walk.rules === undefined) return collected;
    return walk.rules.apply(collected.map((entry) => ({ ...entry, type: entry.stat.type })));
  }

  #match(path: string): Match | undefined {
    const resolved = this.#resolve(path);
    if (resolved === undefined) return undefined;
    const stat = this.#lstat(resolved);
    const state = this.#stateOf(resolved);
    if (stat === undefined) return undefined;
    const isDirectory = stat.isDirectory();
    if (state.ignored && !(isDirectory && this.ignore.couldReincludeBelow(state))) return undefined;
    return { path: resolved, name: posix.basename(path), isDirectory };
  }

  /** Follows every link of `path`, the last too, as if the context were the root directory. */
  #resolve(path: string): string | undefined {
    const pending = path.split('/');
    const done: string[] = [];
    for (let links = 0; pending.length > 0; ) {
      const name = pending.shift() ?? '';
      if (name === '' || name === '.') continue;
      if (name === '..') {
        done.pop();
        continue;
      }
      const current = [...done, name].join('/');
      const stat = this.#lstat(current);
      if (stat === undefined) return undefined;
      if (!stat.isSymbolicLink()) {
        done.push(name);
        continue;
      }
      if (++links > linkLimit) throw new CoracleError('INVALID', `copy ${path}: too many symbolic links`);
      const target = readlinkSync(this.#absolute(current));
      if (target.startsWith('/')) done.length = 0;
      pending.unshift(...target.split('/'));
    }
    return done.join('/') || '.';
  }

  #glob(pattern: string): readonly string[] {
    let found = ['.'];
    for (const component of pattern.split('/')) {
      if (!hasWildcards(component)) {
        found = found.map((path) => posix.join(path, unescapePattern(component)));
        continue;
      }
      const glob = compileGlob(component);
      found = found.flatMap((path) =>
        this.#names(this.#resolve(path) ?? path)
          .filter((name) => glob.matches(name))
          .map((name) => posix.join(path, name)),
      );
    }
    return found;
  }

  #collect(path: string, relative: string, state: IgnoreState, walk: Walk): void {
    const { collected, rules } = walk;
    const stat = this.#lstat(path);
    if (stat === undefined) return;
    const isDirectory = stat.isDirectory();
    if (state.ignored && !(isDirectory && this.ignore.couldReincludeBelow(state))) return;
    if (stat.isSocket()) return;
    if (!isDirectory && !stat.isFile() && !stat.isSymbolicLink()) {
      throw new CoracleError('INVALID', `copy ${path}: it is a device or a fifo`, {
        hint: 'add it to .dockerignore',
      });
    }
    if (isDirectory && rules?.mayTakeBelow(relative) === false) return;
    const position = collected.length;
    const target = stat.isSymbolicLink() ? readlinkSync(this.#absolute(path)) : '';
    if (isDirectory) {
      for (const name of this.#names(path)) {
        const child = path === '.' ? name : `${path}/${name}`;
        this.#collect(
          child,
          relative === '' ? name : `${relative}/${name}`,
          this.ignore.enter(state, name),
          walk,
        );
      }
      // An ignored directory is there only for the sake of what was taken back in below it.
      if (state.ignored && collected.length === position) return;
    }
    const entry = { relative, path, stat: contextStat(stat), target };
    if (collected.length === position) collected.push(entry);
    else collected.splice(position, 0, entry);
  }

  #stateOf(path: string): IgnoreState {
    let state = this.ignore.root();
    if (path === '.') return state;
    for (const name of path.split('/')) state = this.ignore.enter(state, name);
    return state;
  }

  #names(path: string): readonly string[] {
    try {
      const names = readdirSync(this.#absolute(path));
      const broken = names.find((name) => name.includes('\ufffd'));
      if (broken === undefined) return names.sort();
      throw new CoracleError('UNSUPPORTED', `copy ${posix.join(path, broken)}: its name is not UTF-8`, {
        hint: 'rename it, or add it to .dockerignore',
      });
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return [];
      throw ioError(`read directory ${this.#absolute(path)}`, error);
    }
  }

  #lstat(path: string): BigIntStats | undefined {
    try {
      return lstatSync(this.#absolute(path), { bigint: true });
    } catch (error) {
      if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw ioError(`read ${this.#absolute(path)}`, error);
    }
  }

  #absolute(path: string): string {
    return path === '.' ? this.root : `${this.root}/${path}`;
  }

  #notFound(source: string, cleaned: string): CoracleError {
    const resolved = hasWildcards(cleaned) ? undefined : this.#resolve(unescapePattern(cleaned));
    const isIgnored = resolved !== undefined && this.#stateOf(resolved).ignored;
    return new CoracleError(
      'NOT_FOUND',
      `copy ${source}: ${isIgnored ? 'the ignore file leaves it out' : 'not found in the build context'}`,
      {
        hint: isIgnored ? 'take it back in with a ! line in .dockerignore' : `the context is ${this.root}`,
      },
    );
  }
}

function contextStat(stat: BigIntStats): ContextStat {
  const { mtimeNs, ctimeNs } = stat;
  return {
    type: stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'symlink',
    mode: Number(stat.mode & 0o7777n),
    size: Number(stat.size),
    mtimeNs,
    ctimeNs,
    stamp: stampOf(stat),
  };
}
