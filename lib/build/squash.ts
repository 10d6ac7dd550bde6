/** `--squash`: the layers of a build as one. Its content is the difference of two merged views, whatever the layers between did. */
import type { ImageRecord } from '../image/image-record.js';
import { isLayerXattr } from '../layer/xattr-policy.js';
import type { Agent, Entry, Handle, Meta } from '../native/agent.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { BuildSession } from './session.js';

const createdBy = 'squashed layers';

/** The result's uppermost snapshot as the options want its layers: as they are, those of this build as one, or all as one. */
export async function squashedTop(
  session: BuildSession,
  { top, base }: { readonly top: SnapshotRecord | undefined; readonly base: ImageRecord | undefined },
): Promise<SnapshotRecord | undefined> {
  const { squash } = session.options;
  if (squash === undefined || top === undefined) return top;
  const below = squash === 'all' || base === undefined ? undefined : await session.unpacked(base);
  if (top.lowers.length <= (below?.lowers.length ?? 0) + 1) return top;
  return session.commitLayer(below, { createdBy }, async (active) => {
    const agent = session.agent();
    const target = await session.writable(active);
    const view = await session.stack(top);
    await new Difference(agent, view, target).write(
      below === undefined ? undefined : await session.stack(below),
    );
  });
}

class Difference {
  readonly #agent: Agent;
  readonly #view: Handle;
  readonly #target: Handle;
  readonly #first = new Map<string, Buffer>();

  constructor(agent: Agent, view: Handle, target: Handle) {
    this.#agent = agent;
    this.#view = view;
    this.#target = target;
  }

  /** Writes into the target what the view has that `below` has not, and hides what only `below` has. */
  async write(below: Handle | undefined): Promise<void> {
    const before = below === undefined ? new Map<string, string>() : await this.#signatures(below);
    const changed: Entry[] = [];
    for await (const item of this.#agent.walk(this.#view, '.')) {
      if (item.kind !== 'entry' || item.entry.path.length === 0) continue;
      const key = keyOf(item.entry);
      if (before.get(key) !== signature(item.entry)) changed.push(item.entry);
      before.delete(key);
    }
    for (const path of outermost(before.keys()))
      await this.#agent.whiteout(this.#target, Buffer.from(path, 'latin1'), { parents: true });
    for (const entry of changed) await this.#make(entry);
    const directories = changed.filter(({ type }) => type === 'directory');
    for (const entry of directories.reverse())
      await this.#agent.setMeta(this.#target, entry.path, metaOf(entry));
    await this.#agent.sync();
  }

  async #signatures(handle: Handle): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for await (const item of this.#agent.walk(handle, '.')) {
      if (item.kind === 'entry' && item.entry.path.length > 0)
        found.set(keyOf(item.entry), signature(item.entry));
    }
    return found;
  }

  async #make(entry: Entry): Promise<void> {
    const { path } = entry;
    const first = this.#firstName(entry);
    if (first !== undefined) {
      await this.#agent.link(this.#target, path, first, { parents: true });
      return;
    }
    await this.#create(entry);
    if (entry.type !== 'file' && entry.type !== 'directory') return;
    for (const [name, value] of entry.xattrs) {
      if (isLayerXattr(name)) await this.#agent.xattr(this.#target, path, name, value);
    }
  }

  async #create(entry: Entry): Promise<void> {
    const { path, type } = entry;
    const meta = metaOf(entry);
    const parents = { parents: true } as const;
    switch (type) {
      case 'directory':
        return this.#agent.mkdir(this.#target, path, meta, { existing: 'update', ...parents });
      case 'file':
        return this.#agent.copyFile(
          { handle: this.#view, path },
          { handle: this.#target, path },
          meta,
          parents,
        );
      case 'symlink':
        return this.#agent.symlink(this.#target, path, entry.target, meta, parents);
      case 'fifo':
      case 'char':
      case 'block': {
        const { major, minor } = entry;
        return this.#agent.node(this.#target, path, { type, major, minor }, meta, parents);
      }
      case 'socket':
      case 'whiteout':
        // a layer cannot hold the one, a merged view has none of the other
        return;
    }
  }

  #firstName(entry: Entry): Buffer | undefined {
    if (entry.type === 'directory' || entry.nlink < 2) return undefined;
    const key = `${entry.dev}:${entry.ino}`;
    const first = this.#first.get(key);
    if (first === undefined) this.#first.set(key, entry.path);
    return first;
  }
}

/** The same file of the same layer has the same inode; directories are one in all layers. */
function signature({ type, mode, uid, gid, mtime, dev, ino }: Entry): string {
  const file = type === 'directory' ? '' : `${dev}:${ino}`;
  return `${type} ${mode} ${uid}:${gid} ${mtime.seconds}.${mtime.nanoseconds} ${file}`;
}

/** Paths none of whose parents is among them; `paths` has parents before children. */
function* outermost(paths: Iterable<string>): Generator<string> {
  let last: string | undefined;
  for (const path of paths) {
    if (last !== undefined && path.startsWith(`${last}/`)) continue;
    last = path;
    yield path;
  }
}

function keyOf({ path }: Entry): string {
  return path.toString('latin1');
}

function metaOf({ mode, uid, gid, mtime }: Entry): Meta {
  return { mode, owner: { uid, gid }, mtime };
}
