/**
 * Files for COPY out of a tree that only the file agent reads: a stage, an image, or a context that was fetched. No path and
 * no link leads out of the tree (S17, S30). Paths are kept as latin1, one character a byte.
 */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import type { Agent, Entry, Handle, Meta } from '../native/agent.js';
import type { Match } from './context-tree.js';
import { type CopySource, pathBytes, type SourceEntry } from './copy-source.js';
import { type EntryRules, stateAt } from './entry-filter.js';
import { compileGlob, hasWildcards, unescapePattern } from './glob.js';
import { cleanPath, type IgnoreMatcher } from './ignore.js';

export type TreeOptions = {
  /** What an ignore file leaves out. */
  readonly ignore?: IgnoreMatcher | undefined;
  /** What the copy shall have instead of the attributes found. */
  readonly attributes?: ((entry: Entry) => SourceEntry['meta']) | undefined;
  /** Names the tree in errors. */
  readonly place?: string;
};

/** Owners and all other attributes are kept, unless the options say otherwise. */
export function treeSource(agent: Agent, open: () => Promise<Handle>, options: TreeOptions = {}): CopySource {
  const tree = new Tree(agent, open, options);
  return {
    handle: open,
    expand: (pattern) => tree.expand(pattern),
    entries: async (match, rules) =>
      (await tree.list(match, rules)).map((entry) => tree.copied(entry, match)),
    digest: (match, rules) => tree.digest(match, rules),
  };
}

class Tree {
  readonly #agent: Agent;
  readonly #open: () => Promise<Handle>;
  readonly #options: TreeOptions;

  constructor(agent: Agent, open: () => Promise<Handle>, options: TreeOptions) {
    this.#agent = agent;
    this.#open = open;
    this.#options = options;
  }

  async expand(source: string): Promise<readonly Match[]> {
    const cleaned = cleanPath(`/${source}`).slice(1) || '.';
    const pattern = Buffer.from(cleaned).toString('latin1');
    const isPattern = hasWildcards(pattern);
    const matches: Match[] = [];
    for (const path of isPattern ? await this.#glob(pattern) : [unescapePattern(pattern)]) {
      const match = await this.#match(path);
      if (match !== undefined) matches.push(match);
    }
    if (matches.length > 0 || isPattern) return matches;
    throw new CoracleError(
      'NOT_FOUND',
      `copy ${source}: not found in ${this.#options.place ?? "the source's file system"}`,
    );
  }

  async #match(path: string): Promise<Match | undefined> {
    const handle = await this.#open();
    const entry = await this.#agent.stat(handle, pathBytes(path), { follow: true });
    if (entry === undefined) return undefined;
    const resolved = (await this.#agent.resolve(handle, pathBytes(path))).toString('latin1') || '.';
    const isDirectory = entry.type === 'directory';
    if (this.#isIgnored(resolved, isDirectory)) return undefined;
    return { path: resolved, name: posix.basename(path), isDirectory };
  }

  async #glob(pattern: string): Promise<readonly string[]> {
    const [agent, handle] = [this.#agent, await this.#open()];
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

  /** The match and what is below it, as far as ignore file and rules take it. */
  async list(match: Match, rules: EntryRules): Promise<readonly Entry[]> {
    const [agent, handle] = [this.#agent, await this.#open()];
    const taken: Entry[] = [];
    const filter = rules.filter<{ relative: string; entry: Entry }>(this.#options.ignore, utf8(match.path));
    for await (const event of agent.walk(handle, pathBytes(match.path))) {
      if (event.kind !== 'entry') continue;
      const { entry } = event;
      const relative = utf8(relativeTo(match, entry.path));
      for (const { entry: admitted } of filter.admit({ relative, entry }, entry.type === 'directory'))
        if (isCopied(admitted)) taken.push(admitted);
    }
    return taken;
  }

  copied(entry: Entry, match: Match): SourceEntry {
    const { mode, uid, gid, mtime } = entry;
    return {
      relative: relativeTo(match, entry.path),
      origin: Buffer.from(entry.path),
      type: entry.type === 'directory' || entry.type === 'symlink' ? entry.type : 'file',
      meta: this.#options.attributes?.(entry) ?? { mode, owner: { uid, gid }, mtime },
      target: Buffer.from(entry.target),
      xattrs: entry.xattrs,
      check: undefined,
    };
  }

  async digest(match: Match, rules: EntryRules): Promise<string> {
    const hash = createHash('sha256');
    const isWhole = rules.isEmpty && this.#options.ignore?.isEmpty !== false;
    if (isWhole) await this.#update(hash, match, match.path);
    else for (const entry of await this.list(match, rules)) await this.#update(hash, match, entry);
    return hash.digest('hex');
  }

  /** Hashes a subtree, or one entry of it. */
  async #update(hash: Hashing, match: Match, what: string | Entry): Promise<void> {
    const [agent, handle] = [this.#agent, await this.#open()];
    if (typeof what !== 'string' && what.type !== 'file') return void hash.update(this.#row(what, match));
    const path = typeof what === 'string' ? pathBytes(what) : what.path;
    for await (const event of agent.walk(handle, path, { contents: true })) {
      if (event.kind === 'data') hash.update(event.bytes);
      else if (isCopied(event.entry)) hash.update(this.#row(event.entry, match));
    }
  }

  #row(entry: Entry, match: Match): string {
    const { mode, owner } = this.copied(entry, match).meta;
    const { type, size, target } = entry;
    const relative = relativeTo(match, entry.path);
    return `${type}\0${relative}\0${mode}\0${owner?.uid}\0${owner?.gid}\0${size}\0${target.toString('latin1')}\n`;
  }

  #isIgnored(path: string, isDirectory: boolean): boolean {
    const { ignore } = this.#options;
    if (ignore === undefined || ignore.isEmpty) return false;
    const state = stateAt(ignore, utf8(path));
    return state.ignored && !(isDirectory && ignore.couldReincludeBelow(state));
  }
}

type Hashing = { update(data: string | Uint8Array): unknown };

/** Attributes of a context's files: they belong to root, as those of a directory do. */
export function contextAttributes({
  mode,
  mtime,
}: Entry): Required<Pick<Meta, 'mode' | 'mtime'>> & Pick<Meta, 'owner'> {
  return { mode, mtime, owner: { uid: 0, gid: 0 } };
}

function isCopied(entry: Entry): boolean {
  if (entry.type === 'fifo' || entry.type === 'char' || entry.type === 'block') {
    throw new CoracleError('UNSUPPORTED', `copy ${entry.path.toString()}: it is a device or a fifo`);
  }
  return entry.type === 'file' || entry.type === 'directory' || entry.type === 'symlink';
}

function relativeTo(match: Match, path: Buffer): string {
  const text = path.toString('latin1');
  if (text === match.path || (match.path === '.' && text === '')) return '';
  return match.path === '.' ? text : text.slice(match.path.length + 1);
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}
