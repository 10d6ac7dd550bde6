/** Carries out the actions of a changeset's entries, in their order, through the file agent. */
import { CoracleError, hasErrno } from '../errors.js';
import type { Agent } from '../native/agent.js';
import type { Entry, Meta } from '../native/agent-entry.js';
import { inlineContent, type Pending } from '../native/agent-writes.js';
import type { ApplyTarget } from './apply.js';
import { type IdCheck, type LayerAction, type LayerMeta, layerAction, type Xattr } from './layer-action.js';
import type { LayerPath } from './layer-path.js';
import { printablePath, type TarEntry, type TarLimits } from './tar-entry.js';
import { readContent } from './tar-reader.js';

/** Missing parents are made as Docker makes them. */
const parents = { parents: true } as const;

/** Warnings beyond this number are only counted. */
const warningLimit = 20;

type Directory = { readonly path: LayerPath; readonly meta: Meta };
type Implied = { readonly path: LayerPath; readonly before: Promise<Entry | undefined> };
type FileAction = Extract<LayerAction, { kind: 'file' }>;
type DeviceAction = Extract<LayerAction, { kind: 'device' }>;

export class LayerExtractor {
  readonly #agent: Agent;
  readonly #handle: number;
  readonly #limits: TarLimits;
  readonly #isMapped: IdCheck;
  /** Directories of this layer: making files in them changes their times, so these are set again at the end. */
  readonly #directories = new Map<string, Directory>();
  /**
   * Directories that the layer changes without an entry of their own, as they were before: with the times of the layers
   * below, else of 1970, the same tar gives the same files whenever it is unpacked.
   */
  readonly #implied = new Map<string, Implied>();
  /** Names this layer deleted: a directory made at one of them must not show what is below. */
  readonly #deleted = new Set<string>();
  readonly #warnings: string[] = [];
  #unsaid = 0;
  entries = 0;

  constructor(target: ApplyTarget, limits: TarLimits) {
    this.#agent = target.agent;
    this.#handle = target.handle;
    this.#limits = limits;
    this.#isMapped = idCheck(target);
  }

  /** What could not be done; complete after `finish`. */
  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** Starts an entry's change. Undefined: go on at once; a promise: wait before the next entry. */
  apply(entry: TarEntry): Promise<void> | undefined {
    this.entries++;
    const action = layerAction(entry, this.#isMapped, this.#limits);
    if (action.kind !== 'skip' && action.kind !== 'opaque') this.#noteParents(action.path);
    switch (action.kind) {
      case 'whiteout':
        this.#forget(action.path);
        this.#deleted.add(keyOf(action.path));
        return this.#agent.whiteout(this.#handle, action.path, parents);
      case 'opaque':
        return this.#opaque(action.path);
      case 'directory':
        return this.#directory(action);
      case 'file':
        this.#forget(action.path);
        return this.#file(action, entry);
      case 'symlink':
        this.#forget(action.path);
        return this.#agent.symlink(this.#handle, action.path, action.target, agentMeta(action.meta), parents);
      case 'link':
        this.#forget(action.path);
        return this.#agent.link(this.#handle, action.path, action.existing, parents);
      case 'fifo':
      case 'device':
        this.#forget(action.path);
        return this.#node(action);
      case 'skip':
        return undefined;
    }
  }

  /** Sets the directories' times, the inner ones first, and waits until everything is done. */
  async finish(): Promise<void> {
    for (const [key, { path, before }] of this.#implied) {
      if (this.#directories.has(key)) continue;
      const mtime = (await before)?.mtime ?? longAgo;
      if ((await this.#agent.stat(this.#handle, path))?.type === 'directory')
        await this.#agent.setMeta(this.#handle, path, { mtime });
    }
    for (const { path, meta } of [...this.#directories.values()].reverse()) {
      const pending = this.#agent.setMeta(this.#handle, path, meta);
      if (pending !== undefined) await pending;
    }
    // any answered request reports the failures before it
    await this.#agent.resolve(this.#handle, '.');
    if (this.#unsaid > 0) this.#warnings.push(`${this.#unsaid} more of the same kind`);
  }

  /** Requests are answered in their order: what is asked now is told as it was before this entry. */
  #noteParents(path: LayerPath): void {
    for (let end = path.lastIndexOf(slash); end > 0; end = path.lastIndexOf(slash, end - 1)) {
      const key = path.toString('latin1', 0, end);
      if (this.#directories.has(key) || this.#implied.has(key)) return;
      const parent = path.subarray(0, end);
      const before = this.#agent.stat(this.#handle, parent);
      // A failure is told by whatever is asked next.
      before.catch(() => undefined);
      this.#implied.set(key, { path: parent, before });
    }
  }

  #directory(action: Extract<LayerAction, { kind: 'directory' }>): Pending {
    const { path } = action;
    const meta = agentMeta(action.meta);
    const key = keyOf(path);
    // re-inserted: the order of the last sight decides when its times are set
    this.#directories.delete(key);
    this.#directories.set(key, { path, meta });
    const made = this.#agent.mkdir(this.#handle, atRoot(path), meta, { existing: 'update', ...parents });
    const hidden = this.#deleted.has(key) ? this.#agent.opaque(this.#handle, path) : undefined;
    return this.#setXattrs(path, action.xattrs) ?? hidden ?? made;
  }

  async #opaque(path: LayerPath): Promise<void> {
    if (path.length === 0 || !this.#directories.has(keyOf(path))) {
      const found = await this.#agent.stat(this.#handle, atRoot(path));
      if (found?.type !== 'directory') return;
      this.#noteParents(path);
      if (path.length > 0) this.#implied.set(keyOf(path), { path, before: Promise.resolve(found) });
      // a marker needs the directory in this layer; a change of nothing copies it up
      await this.#agent.setMeta(this.#handle, atRoot(path), { mode: found.mode });
    }
    await this.#agent.opaque(this.#handle, atRoot(path));
  }

  #file(action: FileAction, entry: TarEntry): Promise<void> | undefined {
    const { path, size, xattrs } = action;
    const meta = agentMeta(action.meta);
    if (size > 0) return this.#content(action, meta, entry);
    const pending = this.#agent.file(this.#handle, path, meta, noBytes, parents);
    return this.#setXattrs(path, xattrs) ?? pending;
  }

  async #content({ path, size, xattrs }: FileAction, meta: Meta, entry: TarEntry): Promise<void> {
    if (size <= inlineContent) {
      await this.#agent.file(this.#handle, path, meta, await readContent(entry, size), parents);
    } else {
      await this.#agent.fileStream(this.#handle, path, meta, size, entry.content(), parents);
    }
    await this.#setXattrs(path, xattrs);
  }

  async #node(action: Extract<LayerAction, { kind: 'fifo' }> | DeviceAction): Promise<void> {
    const { path } = action;
    const { kind } = action;
    const node =
      kind === 'fifo'
        ? { type: 'fifo' as const, major: 0, minor: 0 }
        : { type: action.type, major: action.major, minor: action.minor };
    try {
      await this.#agent.node(this.#handle, path, node, agentMeta(action.meta), parents);
    } catch (error) {
      const refused = error instanceof CoracleError && hasErrno(error.cause, 'EPERM');
      if (kind === 'fifo' || !refused) throw error;
      this.#warn(`leave out ${printablePath(path)}: an ordinary user cannot make device nodes`);
    }
  }

  #setXattrs(path: LayerPath, xattrs: readonly Xattr[]): Pending {
    let pending: Pending;
    for (const { name, value } of xattrs)
      pending = this.#agent.xattr(this.#handle, atRoot(path), name, value);
    return pending;
  }

  /** Something else takes the place of a directory: neither it nor what was in it gets its times at the end. */
  #forget(path: LayerPath): void {
    const key = keyOf(path);
    if (!this.#directories.delete(key)) return;
    for (const inner of [...this.#directories.keys()]) {
      if (inner.startsWith(`${key}/`)) this.#directories.delete(inner);
    }
    // what comes back as a directory is a new one
    this.#deleted.add(key);
  }

  #warn(text: string): void {
    if (this.#warnings.length < warningLimit) this.#warnings.push(text);
    else this.#unsaid++;
  }
}

const slash = 0x2f;
const longAgo = { seconds: 0, nanoseconds: 0 } as const;
const noBytes = Buffer.alloc(0);

function keyOf(path: LayerPath): string {
  return path.toString('latin1');
}

function agentMeta({ mode, uid, gid, mtime }: LayerMeta): Meta {
  return { mode, owner: { uid, gid }, mtime: { seconds: mtime.s, nanoseconds: mtime.ns } };
}

/** The agent's name for the root. */
function atRoot(path: LayerPath): LayerPath | string {
  return path.length === 0 ? '.' : path;
}

function idCheck({ idMap }: ApplyTarget): IdCheck {
  // with one id only, the agent records the owners beside the files
  if (idMap.how === 'single') return () => true;
  return (kind, id) => idMap[kind].some(({ container, size }) => id >= container && id < container + size);
}
