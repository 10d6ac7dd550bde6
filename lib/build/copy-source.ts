/** Files for COPY, wherever they are: found by pattern, listed in a fixed order, and known by a digest of their content. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AgentPath, CopyCheck, Handle, Meta, Time } from '../native/agent.js';
import { sha256 } from './cache-key.js';
import type { ContextEntry, ContextTree, Match } from './context-tree.js';
import type { EntryRules } from './entry-filter.js';
import type { StatCache } from './stat-cache.js';

/** One thing to copy. */
export type SourceEntry = {
  /** Relative to the match, latin1 for bytes; empty for the match itself. */
  readonly relative: string;
  /** In the source's tree, for the agent. */
  readonly origin: AgentPath;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly meta: Required<Pick<Meta, 'mode' | 'mtime'>> & Pick<Meta, 'owner'>;
  /** Of symbolic links. */
  readonly target: Buffer;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** What the file must still be when it is copied. */
  readonly check: CopyCheck | undefined;
};

export type CopySource = {
  /** The agent's handle of the tree. */
  readonly handle: () => Promise<Handle>;
  /** @throws NOT_FOUND where a path without wildcards names nothing. */
  readonly expand: (pattern: string) => Promise<readonly Match[]>;
  readonly entries: (match: Match, rules: EntryRules) => Promise<readonly SourceEntry[]>;
  /** Digest of names, types, modes, targets and contents of what the rules take. */
  readonly digest: (match: Match, rules: EntryRules) => Promise<string>;
};

/**
 * The build context, as one step sees it: what its digest was made of is what is copied, and a file that changed since is
 * refused. Its files belong to root in the image, as Docker has it.
 */
export function contextSource(tree: ContextTree, stats: StatCache, options: ContextOptions): CopySource {
  const found = new Map<string, readonly Match[]>();
  const listed = new Map<string, readonly ContextEntry[]>();
  const expand = (pattern: string): readonly Match[] =>
    tree.expand(pattern).map((match) => ({ ...match, name: Buffer.from(match.name).toString('latin1') }));
  const entries = (match: Match, rules: EntryRules): readonly ContextEntry[] =>
    remembered(listed, `${match.path}\0${rules.key}`, () => tree.entries(match, rules));
  return {
    handle: async () => options.handle,
    expand: async (pattern) => remembered(found, pattern, () => expand(pattern)),
    entries: async (match, rules) =>
      entries(match, rules).map((entry) => contextEntry(entry, options.filesTime)),
    digest: async (match, rules) => {
      const rows: string[] = [];
      let turn = performance.now();
      for (const { relative, path, stat, target } of entries(match, rules)) {
        // No await where there is nothing to wait for: most files are known.
        const digest = stat.type === 'file' ? stats.digest(path, stat) : sha256(target);
        const content = typeof digest === 'string' ? digest : await digest;
        rows.push(`${stat.type}\0${relative}\0${stat.mode}\0${content}\n`);
        if (performance.now() - turn < turnMilliseconds) continue;
        // An interrupt is only seen between turns.
        await nextTurn();
        options.signal?.throwIfAborted();
        turn = performance.now();
      }
      return sha256(rows.join(''));
    },
  };
}

export type ContextOptions = {
  /** The agent's handle of the context. */
  readonly handle: Handle;
  readonly signal?: AbortSignal | undefined;
  /** Seconds since the epoch that files get instead of their own time, which a checkout makes up. */
  readonly filesTime?: number | undefined;
};

const turnMilliseconds = 50;

function contextEntry(
  { relative, path, stat, target }: ContextEntry,
  filesTime: number | undefined,
): SourceEntry {
  const own = exactTime(stat.mtimeNs);
  const mtime = filesTime === undefined ? own : { seconds: filesTime, nanoseconds: 0 };
  return {
    relative: Buffer.from(relative).toString('latin1'),
    origin: path,
    type: stat.type,
    meta: { mode: stat.mode, owner: { uid: 0, gid: 0 }, mtime },
    target: Buffer.from(target),
    xattrs: noXattrs,
    check: stat.type === 'file' ? { size: stat.size, mtime: own, ctime: exactTime(stat.ctimeNs) } : undefined,
  };
}

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

const noXattrs: ReadonlyMap<string, Buffer> = new Map();

function exactTime(nanoseconds: bigint): Time {
  return { seconds: Number(nanoseconds / 1_000_000_000n), nanoseconds: Number(nanoseconds % 1_000_000_000n) };
}

/** Paths of stacks are kept as latin1, one character a byte. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}
