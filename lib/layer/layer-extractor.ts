/** Carries out the actions of a changeset's entries, in their order, through the file agent. */
import { CoracleError, hasErrno } from '../errors.js';
import type { Agent } from '../native/agent.js';
import type { Entry, Meta } from '../native/agent-entry.js';
import { type FileSink, inlineContent, type Pending } from '../native/agent-writes.js';
import type { ApplyTarget } from './apply.js';
import { type IdCheck, type LayerAction, type LayerMeta, layerAction, type Xattr } from './layer-action.js';
import type { LayerPath } from './layer-path.js';
import { printablePath, type TarEntry, type TarHeader, type TarLimits } from './tar-entry.js';

/** Missing parents are made as Docker makes them. */
const parents = { parents: true } as const;

/** Warnings beyond this number are only counted. */
const warningLimit = 20;

type Directory = { readonly path: LayerPath; readonly meta: Meta };
type Implied = { readonly path: LayerPath; readonly before: Promise<Entry | undefined> };
type FileAction = Extract<LayerAction, { kind: 'file' }>;
type DeviceAction = Extract<LayerAction, { kind: 'device' }>;
/** A file whose content comes; a small one is gathered, `sink` takes the others. */
type OpenFile = {
  readonly action: FileAction;
  readonly sink: FileSink | undefined;
  readonly parts: Buffer[];
  gathered: number;
};

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
  /** The directory the last entry lay in: nothing is to be noted again for its neighbours. */
  #noted: string | undefined;
  #file: OpenFile | undefined;
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

  /** Makes an entry's change with its content. Undefined: go on at once; a promise: wait before the next entry. */
  apply(entry: TarEntry): Pending {
    const pending = this.begin(entry);
    return entry.size === 0 ? pending : this.#applyContent(entry, pending);
  }

  /**
   * Starts an entry's change for a caller that pushes the content: `write` for its pieces, then `end`. Undefined: go on
   * at once; a promise: wait before the next call.
   */
  begin(header: TarHeader): Pending {
    this.entries++;
    this.#file = undefined;
    const action = layerAction(header, this.#isMapped, this.#limits);
    if (action.kind === 'skip') return undefined;
    if (action.kind === 'opaque') return this.#opaque(action.path);
    const key = keyOf(action.path);
    this.#noteParents(action.path, key);
    if (action.kind === 'directory') return this.#directory(action, key);
    this.#forget(key);
    switch (action.kind) {
      case 'whiteout':
        this.#deleted.add(key);
        return this.#agent.whiteout(this.#handle, action.path, parents);
      case 'file':
        return this.#beginFile(action);
      case 'symlink':
        return this.#agent.symlink(this.#handle, action.path, action.target, agentMeta(action.meta), parents);
      case 'link':
        return this.#agent.link(this.#handle, action.path, action.existing, parents);
      case 'fifo':
      case 'device':
        return this.#node(action);
    }
  }

  /** The next bytes of the content; they must stay as they are until `end` or `detach`. */
  write(chunk: Buffer): Pending {
    const file = this.#file;
    if (file === undefined) return undefined;
    if (file.sink !== undefined) return file.sink.write(chunk);
    file.parts.push(chunk);
    file.gathered += chunk.length;
    return undefined;
  }

  /** The bytes written so far may change, once the agent has answered what was asked of it. */
  detach(): void {
    const file = this.#file;
    if (file === undefined || file.gathered === 0) return;
    this.#file = { ...file, parts: [Buffer.concat(file.parts)] };
  }

  /** The content is complete. */
  end(): Pending {
    const file = this.#file;
    if (file === undefined) return undefined;
    this.#file = undefined;
    const { action, sink, parts, gathered } = file;
    if (sink !== undefined) sink.end();
    else if (gathered !== action.size)
      throw new CoracleError('INTEGRITY', `extract ${printablePath(action.path)}: its content is incomplete`);
    const content = parts.length === 1 ? parts[0] : undefined;
    const pending = sink === undefined ? this.#smallFile(action, content ?? Buffer.concat(parts)) : undefined;
    return this.#setXattrs(action.path, action.xattrs, pending);
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
  #noteParents(path: LayerPath, ofPath: string): void {
    const directory = ofPath.slice(0, Math.max(ofPath.lastIndexOf('/'), 0));
    if (directory === this.#noted) return;
    this.#noted = directory;
    for (let end = directory.length; end > 0; end = ofPath.lastIndexOf('/', end - 1)) {
      const key = ofPath.slice(0, end);
      if (this.#directories.has(key) || this.#implied.has(key)) return;
      const parent = path.subarray(0, end);
      const before = this.#agent.stat(this.#handle, parent);
      // A failure is told by whatever is asked next.
      before.catch(() => undefined);
      this.#implied.set(key, { path: parent, before });
    }
  }

  #directory(action: Extract<LayerAction, { kind: 'directory' }>, key: string): Pending {
    const { path } = action;
    const meta = agentMeta(action.meta);
    // re-inserted: the order of the last sight decides when its times are set
    this.#directories.delete(key);
    this.#directories.set(key, { path, meta });
    const made = this.#agent.mkdir(this.#handle, atRoot(path), meta, { existing: 'update', ...parents });
    const hidden = this.#deleted.has(key) ? this.#agent.opaque(this.#handle, path) : undefined;
    return this.#setXattrs(path, action.xattrs, hidden ?? made);
  }

  async #opaque(path: LayerPath): Promise<void> {
    if (path.length === 0 || !this.#directories.has(keyOf(path))) {
      const found = await this.#agent.stat(this.#handle, atRoot(path));
      if (found?.type !== 'directory') return;
      this.#noteParents(path, keyOf(path));
      if (path.length > 0) this.#implied.set(keyOf(path), { path, before: Promise.resolve(found) });
      // a marker needs the directory in this layer; a change of nothing copies it up
      await this.#agent.setMeta(this.#handle, atRoot(path), { mode: found.mode });
    }
    await this.#agent.opaque(this.#handle, atRoot(path));
  }

  async #applyContent(entry: TarEntry, begun: Pending): Promise<void> {
    await begun;
    for await (const chunk of entry.content()) {
      const pending = this.write(chunk);
      if (pending !== undefined) await pending;
    }
    await this.end();
  }

  #beginFile(action: FileAction): Pending {
    const { path, size, meta, xattrs } = action;
    if (size === 0) return this.#setXattrs(path, xattrs, this.#smallFile(action, noBytes));
    const sink =
      size <= inlineContent
        ? undefined
        : this.#agent.beginFile(this.#handle, path, agentMeta(meta), size, parents);
    this.#file = { action, sink, parts: [], gathered: 0 };
    return sink?.pending;
  }

  #smallFile({ path, meta }: FileAction, content: Buffer): Pending {
    return this.#agent.file(this.#handle, path, agentMeta(meta), content, parents);
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

  #setXattrs(path: LayerPath, xattrs: readonly Xattr[], before?: Pending): Pending {
    let pending = before;
    for (const { name, value } of xattrs)
      pending = this.#agent.xattr(this.#handle, atRoot(path), name, value);
    return pending;
  }

  /** Something else takes the place of a directory: neither it nor what was in it gets its times at the end. */
  #forget(key: string): void {
    if (!this.#directories.delete(key)) return;
    this.#noted = undefined;
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

/** A layer has few owners, and each is looked up once. */
const knownIds = 1024;
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
  const known = { uid: new Set<number>(), gid: new Set<number>() };
  return (kind, id) => {
    if (known[kind].has(id)) return true;
    const mapped = idMap[kind].some(({ container, size }) => id >= container && id < container + size);
    if (mapped && known[kind].size < knownIds) known[kind].add(id);
    return mapped;
  };
}
