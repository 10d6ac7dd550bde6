/** Writes what COPY found into a new layer, by Docker's rules for destinations. All paths go through the merged view below it. */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import type { Agent, Handle, Meta } from '../native/agent.js';
import type { Match } from './context-tree.js';
import { type CopySource, pathBytes, type SourceEntry } from './copy-source.js';
import type { EntryRules } from './entry-filter.js';
import type { ModeChange } from './file-mode.js';
import type { Owner } from './owner.js';

export type CopyTarget = {
  readonly agent: Agent;
  /** The new layer above the stage's stack. */
  readonly handle: Handle;
  /** Absolute in the image; a trailing slash says that it is a directory. */
  readonly destination: string;
  /** Replaces the sources' owners. */
  readonly owner: Owner | undefined;
  /** Changes the sources' permission bits. */
  readonly mode: ModeChange | undefined;
  readonly signal?: AbortSignal | undefined;
};

const noOwner: Owner = { uid: 0, gid: 0 };
/** Of a heredoc's file. */
const contentMode = 0o644;

export class Copier {
  readonly #target: CopyTarget;
  readonly #destination: string;
  /** What existing directories hold, by path; a directory made by this copy holds nothing of others. */
  readonly #listings = new Map<string, Map<string, string>>();
  readonly #finished: { readonly path: string; readonly meta: Meta }[] = [];
  #place: { readonly path: string; readonly isDirectory: boolean } | undefined;

  constructor(target: CopyTarget) {
    this.#target = target;
    const relative = Buffer.from(target.destination.replace(/^\/+/, '').replace(/\/+$/, '')).toString(
      'latin1',
    );
    this.#destination = relative === '' ? '.' : relative;
  }

  /** Copies one match: a directory's contents into the destination, a file to it or into it. */
  async copy(source: CopySource, match: Match, rules: EntryRules): Promise<void> {
    const entries = await source.entries(match, rules);
    const handle = await source.handle();
    const base = match.isDirectory ? await this.#directory() : await this.#fileTarget(match.name);
    for (const entry of entries) {
      const path = entry.relative === '' ? base : posix.join(base, entry.relative);
      this.#target.signal?.throwIfAborted();
      await this.#write(handle, entry, path);
    }
  }

  /** An inline file of a heredoc. */
  async content(name: string, data: string): Promise<void> {
    const path = await this.#fileTarget(Buffer.from(name).toString('latin1'));
    await this.#refuseDirectory(path);
    const meta = {
      mode: this.#target.mode?.apply(contentMode, false) ?? contentMode,
      owner: this.#target.owner ?? noOwner,
    };
    const { agent, handle } = this.#target;
    const bytes = Buffer.from(data);
    if (bytes.length === 0) await agent.file(handle, pathBytes(path), meta, bytes);
    else await agent.fileStream(handle, pathBytes(path), meta, bytes.length, [bytes]);
  }

  /** The destination as a directory, made if missing; for archives, which unpack into it. */
  async directory(): Promise<string> {
    return this.#directory();
  }

  /** Sets the times of directories, inner ones first, and waits for everything. */
  async finish(): Promise<void> {
    for (const { path, meta } of this.#finished.reverse()) {
      await this.#target.agent.setMeta(this.#target.handle, pathBytes(path), meta);
    }
    await this.#target.agent.sync();
  }

  async #write(handle: Handle, entry: SourceEntry, path: string): Promise<void> {
    const { agent, handle: target } = this.#target;
    const meta = this.#meta(entry);
    const bytes = pathBytes(path);
    switch (entry.type) {
      case 'directory':
        await this.#makeDirectory(entry, path, meta);
        break;
      case 'symlink':
        await this.#refuseDirectory(path);
        await agent.symlink(target, bytes, entry.target, meta);
        break;
      case 'file': {
        await this.#refuseDirectory(path);
        const { check } = entry;
        await agent.copyFile({ handle, path: entry.origin, check }, { handle: target, path: bytes }, meta);
      }
    }
    for (const [name, value] of entry.xattrs) await agent.xattr(target, bytes, name, value);
  }

  /** The destination itself keeps its attributes if it was there; other directories get the source's, new or not. */
  async #makeDirectory(entry: SourceEntry, path: string, meta: Meta): Promise<void> {
    const kind = await this.#kindAt(path);
    if (kind === 'directory') {
      if (entry.relative === '') return;
      await this.#target.agent.setMeta(this.#target.handle, pathBytes(path), meta);
      this.#finished.push({ path, meta: { mtime: entry.meta.mtime } });
      return;
    }
    if (kind !== undefined) {
      throw new CoracleError('INVALID', `copy to /${path}: it is a ${kind}, and the source is a directory`);
    }
    const { agent, handle } = this.#target;
    await agent.mkdir(handle, pathBytes(path), meta);
    this.#listings.set(path, new Map());
    this.#remember(path, 'directory');
    if (entry.meta.mtime !== undefined) this.#finished.push({ path, meta: { mtime: entry.meta.mtime } });
  }

  async #refuseDirectory(path: string): Promise<void> {
    if ((await this.#kindAt(path)) === 'directory') {
      throw new CoracleError('INVALID', `copy to /${path}: it is a directory, and the source is a file`);
    }
    this.#remember(path, 'file');
  }

  #remember(path: string, kind: string): void {
    this.#listings.get(posix.dirname(path))?.set(posix.basename(path), kind);
  }

  /** What is at `path` (links not followed); listings of its directory are read once. */
  async #kindAt(path: string): Promise<string | undefined> {
    if (path === '.') return 'directory';
    const directory = posix.dirname(path);
    let listing = this.#listings.get(directory);
    if (listing === undefined) {
      const { agent, handle } = this.#target;
      const entries = await agent.list(handle, pathBytes(directory));
      listing = new Map(entries.map((entry) => [posix.basename(entry.path.toString('latin1')), entry.type]));
      this.#listings.set(directory, listing);
    }
    return listing.get(posix.basename(path));
  }

  #meta(entry: SourceEntry): Meta {
    return {
      mode: this.#mode(entry),
      owner: this.#target.owner ?? entry.meta.owner,
      mtime: entry.meta.mtime,
    };
  }

  #mode({ type, meta }: SourceEntry): number | undefined {
    if (type === 'symlink' || meta.mode === undefined) return undefined;
    return this.#target.mode?.apply(meta.mode, type === 'directory') ?? meta.mode;
  }

  /** The path of a file source: the destination itself, or below it when that is a directory. */
  async #fileTarget(name: string): Promise<string> {
    const asDirectory = this.#target.destination.endsWith('/');
    const place = asDirectory ? { path: await this.#directory(), isDirectory: true } : await this.#resolved();
    return place.isDirectory ? posix.join(place.path, name) : place.path;
  }

  async #directory(): Promise<string> {
    const place = await this.#resolved();
    if (place.isDirectory) return place.path;
    const kind = await this.#kindAt(place.path);
    if (kind !== undefined) {
      throw new CoracleError('INVALID', `copy to /${place.path}: it is a ${kind}, not a directory`);
    }
    await this.#makeParents(place.path);
    this.#place = { path: place.path, isDirectory: true };
    return place.path;
  }

  /** The destination with its links followed; the parents of a file are made at once. */
  async #resolved(): Promise<{ readonly path: string; readonly isDirectory: boolean }> {
    if (this.#place !== undefined) return this.#place;
    const { agent, handle } = this.#target;
    const bytes = pathBytes(this.#destination);
    const found = await agent.stat(handle, bytes, { follow: true });
    if (found?.type === 'directory') {
      const path = (await agent.resolve(handle, bytes)).toString('latin1');
      this.#place = { path: path === '' ? '.' : path, isDirectory: true };
    } else {
      const parent = await this.#parent(posix.dirname(this.#destination));
      this.#place = { path: posix.join(parent, posix.basename(this.#destination)), isDirectory: false };
    }
    return this.#place;
  }

  async #parent(directory: string): Promise<string> {
    const { agent, handle } = this.#target;
    const found = await agent.stat(handle, pathBytes(directory), { follow: true });
    if (found === undefined) await this.#makeParents(directory);
    const resolved = (await agent.resolve(handle, pathBytes(directory))).toString('latin1');
    return resolved === '' ? '.' : resolved;
  }

  /** Missing directories of `path`, itself included, belong to whom --chown names. */
  async #makeParents(path: string): Promise<void> {
    const { agent, handle, owner } = this.#target;
    const parts = path.split('/');
    for (let count = 1; count <= parts.length; count++) {
      const current = parts.slice(0, count).join('/');
      if ((await agent.stat(handle, pathBytes(current), { follow: true })) !== undefined) continue;
      await agent.mkdir(handle, pathBytes(current), { mode: 0o755, owner: owner ?? noOwner });
      this.#listings.set(current, new Map());
      this.#remember(current, 'directory');
    }
    await agent.sync();
  }
}
