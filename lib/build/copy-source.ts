/** Files for COPY, wherever they are: found by pattern, listed in a fixed order, and known by a digest of their content. */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CoracleError } from '../errors.js';
import type { Agent, AgentPath, CopyCheck, Entry, Handle, Meta, Time } from '../native/agent.js';
import { sha256 } from './cache-key.js';
import type { ContextEntry, ContextTree, Match } from './context-tree.js';
import { compileGlob, hasWildcards, unescapePattern } from './glob.js';
import { cleanPath } from './ignore.js';
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
  readonly expand: (pattern: string) => Promise<readonly Match[]>;
  readonly entries: (match: Match) => Promise<readonly SourceEntry[]>;
  /** Digest of names, types, modes, targets and contents. */
  readonly digest: (match: Match) => Promise<string>;
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
  const entries = (match: Match): readonly ContextEntry[] =>
    remembered(listed, match.path, () => tree.entries(match));
  return {
    handle: async () => options.handle,
    expand: async (pattern) => remembered(found, pattern, () => expand(pattern)),
    entries: async (match) => entries(match).map(contextEntry),
    digest: async (match) => {
      const rows: string[] = [];
      let turn = performance.now();
      for (const { relative, path, stat, target } of entries(match)) {
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
};

const turnMilliseconds = 50;

function contextEntry({ relative, path, stat, target }: ContextEntry): SourceEntry {
  const mtime = exactTime(stat.mtimeNs);
  return {
    relative: Buffer.from(relative).toString('latin1'),
    origin: path,
    type: stat.type,
    meta: { mode: stat.mode, owner: { uid: 0, gid: 0 }, mtime },
    target: Buffer.from(target),
    xattrs: noXattrs,
    check: stat.type === 'file' ? { size: stat.size, mtime, ctime: exactTime(stat.ctimeNs) } : undefined,
  };
}

function remembered<T>(known: Map<string, T>, key: string, make: () => T): T {
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

/** A stage's or an image's files, owners kept. */
export function stackSource(agent: Agent, open: () => Promise<Handle>): CopySource {
  return {
    handle: open,
    expand: async (pattern) => expandInStack(agent, await open(), pattern),
    entries: async (match) => {
      const entries: SourceEntry[] = [];
      for await (const event of agent.walk(await open(), pathBytes(match.path))) {
        if (event.kind === 'entry' && isCopied(event.entry)) entries.push(sourceEntry(event.entry, match));
      }
      return entries;
    },
    digest: async (match) => {
      const hash = createHash('sha256');
      for await (const event of agent.walk(await open(), pathBytes(match.path), { contents: true })) {
        if (event.kind === 'data') hash.update(event.bytes);
        else if (isCopied(event.entry)) {
          const { type, mode, uid, gid, size, target } = event.entry;
          const relative = relativeTo(match, event.entry.path);
          hash.update(
            `${type}\0${relative}\0${mode}\0${uid}\0${gid}\0${size}\0${target.toString('latin1')}\n`,
          );
        }
      }
      return hash.digest('hex');
    },
  };
}

const noXattrs: ReadonlyMap<string, Buffer> = new Map();

function exactTime(nanoseconds: bigint): Time {
  return { seconds: Number(nanoseconds / 1_000_000_000n), nanoseconds: Number(nanoseconds % 1_000_000_000n) };
}

function isCopied(entry: Entry): boolean {
  if (entry.type === 'fifo' || entry.type === 'char' || entry.type === 'block') {
    throw new CoracleError('UNSUPPORTED', `copy ${entry.path.toString()}: it is a device or a fifo`);
  }
  return entry.type === 'file' || entry.type === 'directory' || entry.type === 'symlink';
}

function sourceEntry(entry: Entry, match: Match): SourceEntry {
  return {
    relative: relativeTo(match, entry.path),
    origin: Buffer.from(entry.path),
    type: entry.type === 'directory' || entry.type === 'symlink' ? entry.type : 'file',
    meta: { mode: entry.mode, owner: { uid: entry.uid, gid: entry.gid }, mtime: entry.mtime },
    target: Buffer.from(entry.target),
    xattrs: entry.xattrs,
    check: undefined,
  };
}

/** Paths of stacks are kept as latin1, one character a byte. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

function relativeTo(match: Match, path: Buffer): string {
  const text = path.toString('latin1');
  if (text === match.path) return '';
  return match.path === '.' ? text : text.slice(match.path.length + 1);
}

async function expandInStack(agent: Agent, handle: Handle, source: string): Promise<readonly Match[]> {
  const cleaned = cleanPath(`/${source}`).slice(1) || '.';
  const pattern = Buffer.from(cleaned).toString('latin1');
  const paths = hasWildcards(pattern)
    ? await globInStack(agent, handle, pattern)
    : [unescapePattern(pattern)];
  const matches: Match[] = [];
  for (const path of paths) {
    const entry = await agent.stat(handle, pathBytes(path), { follow: true });
    if (entry === undefined) continue;
    const resolved = (await agent.resolve(handle, pathBytes(path))).toString('latin1');
    matches.push({
      path: resolved === '' ? '.' : resolved,
      name: posix.basename(path),
      isDirectory: entry.type === 'directory',
    });
  }
  if (matches.length > 0) return matches;
  throw new CoracleError('NOT_FOUND', `copy ${source}: not found in the source's file system`);
}

async function globInStack(agent: Agent, handle: Handle, pattern: string): Promise<readonly string[]> {
  let found = ['.'];
  for (const component of pattern.split('/')) {
    if (!hasWildcards(component)) {
      found = found.map((path) => posix.join(path, unescapePattern(component)));
      continue;
    }
    const glob = compileGlob(component);
    const next: string[] = [];
    for (const directory of found) {
      const entry = await agent.stat(handle, pathBytes(directory), { follow: true });
      if (entry?.type !== 'directory') continue;
      for (const child of await agent.list(handle, await agent.resolve(handle, pathBytes(directory)))) {
        const name = posix.basename(child.path.toString('latin1'));
        if (glob.matches(name)) next.push(posix.join(directory, name));
      }
    }
    found = next;
  }
  return found;
}
