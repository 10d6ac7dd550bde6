/** The files of a build's contexts for its steps: which directories the agent must see, and what each step copies from. */
import { createHash } from 'node:crypto';
import { openInStore, type Stores } from '../image/stores.js';
import type { Agent, Handle } from '../native/agent.js';
import type { ContextFiles } from './context.js';
import type { ContextTree } from './context-tree.js';
import { type CopySource, contextSource } from './copy-source.js';
import type { FetchedTree } from './fetched-tree.js';
import type { MountSource } from './run-mount.js';
import { StatCache } from './stat-cache.js';
import { treeSource } from './tree-source.js';

/** Whoever reads a context: a COPY, a mount. It is the key of what was read, so that nothing is read twice. */
export type ContextUser = { readonly from: MountSource; readonly filesTime?: number };

type Directory = { readonly tree: ContextTree; readonly stats: StatCache; readonly handle: Handle };

export class ContextSources {
  readonly #stores: Pick<Stores, 'paths'>;
  readonly #files: ReadonlyMap<string | undefined, ContextFiles>;
  readonly #directories = new Map<string | undefined, Directory>();
  readonly #sources = new WeakMap<ContextUser, CopySource>();

  /** `named` by the names that sources have. */
  constructor(
    stores: Pick<Stores, 'paths'>,
    main: ContextFiles,
    named: ReadonlyMap<string, ContextFiles> = new Map(),
  ) {
    this.#stores = stores;
    this.#files = new Map<string | undefined, ContextFiles>([[undefined, main], ...named]);
    for (const [name, files] of this.#files) {
      if (files.kind !== 'directory') continue;
      const { tree } = files;
      const handle = this.#directories.size + 1;
      this.#directories.set(name, { tree, stats: statCache(stores.paths.build, tree.root), handle });
    }
  }

  /** The directories of the user, which the agent sees as handles 1, 2, ..., read-only. */
  get roots(): readonly { readonly path: string; readonly writable: false }[] {
    return [...this.#directories.values()].map(({ tree }) => ({ path: tree.root, writable: false }));
  }

  /** The context's files as `step` sees them. A directory works without an agent until something is copied. */
  source(step: ContextUser, agent: () => Agent, signal: AbortSignal | undefined): CopySource {
    const known = this.#sources.get(step);
    if (known !== undefined) return known;
    const source = this.#open(step, agent, signal);
    this.#sources.set(step, source);
    return source;
  }

  /** Files below `path` in any directory that are not what an earlier build found, a line each. */
  changes(path: string): readonly string[] {
    return [...this.#directories.values()].flatMap(({ stats }) => stats.changes(path));
  }

  /** The directory of a context, the user's or a fetched one. */
  root(from: MountSource): string {
    const name = from.kind === 'context' ? from.name : undefined;
    const files = this.#files.get(name);
    if (files === undefined) throw new RangeError(`context ${name} was not opened`);
    return files.kind === 'directory' ? files.tree.root : files.tree.path;
  }

  /** Remembers what was learnt of the directories' files. */
  save(): void {
    for (const { stats } of this.#directories.values()) stats.save();
  }

  #open({ from, filesTime }: ContextUser, agent: () => Agent, signal: AbortSignal | undefined): CopySource {
    const name = from.kind === 'context' ? from.name : undefined;
    const directory = this.#directories.get(name);
    if (directory !== undefined) {
      const { tree, stats, handle } = directory;
      return contextSource(tree, stats, { handle, signal, filesTime });
    }
    const files = this.#files.get(name);
    if (files?.kind !== 'fetched') throw new RangeError(`context ${name} was not opened`);
    const { tree, ignore } = files;
    let handle: Promise<Handle> | undefined;
    const open = (): Promise<Handle> => {
      handle ??= openInStore(agent(), this.#stores.paths, tree.path);
      return handle;
    };
    const attributes = atTime(tree.attributes, filesTime);
    return treeSource(agent(), open, { ignore, attributes, place: 'the build context' });
  }
}

/** The attributes with the time that all files of contexts get. */
function atTime(
  attributes: FetchedTree['attributes'],
  filesTime: number | undefined,
): FetchedTree['attributes'] {
  if (filesTime === undefined) return attributes;
  return (entry) => ({ ...attributes(entry), mtime: { seconds: filesTime, nanoseconds: 0 } });
}

function statCache(build: string, root: string): StatCache {
  const name = createHash('sha256').update(root).digest('hex').slice(0, 32);
  return new StatCache(`${build}/contexts/${name}.json`, root);
}
