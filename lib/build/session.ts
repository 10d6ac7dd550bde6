/** What the steps of one build share: the stores, the file agent with its handles, the context, the cache. */
import type { Environment } from '../host/paths.js';
import { emptyTrash } from '../host/trash.js';
import type { ImageRecord } from '../image/image-record.js';
import { otherRoots, storeRoot } from '../image/shared-agent.js';
import { inStore, openInStore, type Stores } from '../image/stores.js';
import { unpackImage } from '../image/unpack.js';
import { type Agent, type Handle, openAgent } from '../native/agent.js';
import type { StorageDriver } from '../snapshot/driver.js';
import { initLayer } from '../snapshot/init-layer.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import type { ActiveSnapshot } from '../snapshot/snapshot-store.js';
import { BuildCache } from './cache.js';
import type { ImportedCaches } from './cache-import.js';
import { CacheMounts } from './cache-mounts.js';
import { clampTimes } from './clamp-times.js';
import type { ContextSources, ContextUser } from './context-sources.js';
import type { CopySource } from './copy-source.js';
import type { BuildListener } from './events.js';
import type { BuildOptions } from './options.js';
import type { Accounts } from './owner.js';
import type { Step } from './plan.js';
import { type RemoteInput, RemoteSources } from './remote-sources.js';
import type { MountSource } from './run-mount.js';
import type { Secrets } from './secrets.js';
import { SshAgents } from './ssh-agents.js';
import { treeSource } from './tree-source.js';

/** The stores, and what of the host a RUN needs. */
export type BuildStores = Stores & {
  readonly env: Environment;
  /** For compiled filters. */
  readonly cache: string;
  /** The driver asked for or the best that works. */
  driver(forced?: string): StorageDriver;
};

const accountLimit = 1 << 20;

export class BuildSession {
  readonly stores: BuildStores;
  readonly options: BuildOptions;
  readonly onEvent: BuildListener;
  readonly cache: BuildCache;
  /** What `--cache-from` names. */
  readonly imports: ImportedCaches | undefined;
  /** What ADD takes from elsewhere. */
  readonly remotes: RemoteSources;
  readonly cacheMounts: CacheMounts;
  readonly secrets: Secrets;
  readonly ssh: SshAgents;
  readonly #contexts: ContextSources;
  readonly #mounted: string | undefined;
  readonly #layers = new Map<string, Promise<Handle>>();
  #agent: Agent | undefined;

  constructor(input: {
    readonly stores: BuildStores;
    readonly options: BuildOptions;
    readonly onEvent: BuildListener;
    readonly imports?: ImportedCaches | undefined;
    readonly contexts: ContextSources;
    readonly remotes: Omit<RemoteInput, 'stores' | 'agent' | 'sshAgent'>;
    readonly secrets: Secrets;
    /** A directory that the agent may write to beside the store. */
    readonly mounted?: string | undefined;
  }) {
    this.imports = input.imports;
    this.stores = input.stores;
    this.options = input.options;
    this.onEvent = input.onEvent;
    this.cache = new BuildCache(`${input.stores.paths.build}/cache`, input.stores.snapshots);
    this.cacheMounts = new CacheMounts(input.stores.paths, input.stores.locks);
    this.secrets = input.secrets;
    this.#mounted = input.mounted;
    this.ssh = new SshAgents(input.options.ssh ?? [], input.stores.env, input.stores.runtime);
    this.#contexts = input.contexts;
    this.remotes = new RemoteSources({
      ...input.remotes,
      stores: input.stores,
      agent: () => this.agent(),
      sshAgent: () => this.ssh.socket('default'),
    });
  }

  /** The build's agent: the store as handle 0, then the contexts' directories, read-only. Started when first needed. */
  agent(): Agent {
    const { paths } = this.stores;
    const mounted = this.#mounted === undefined ? [] : [{ path: this.#mounted, writable: true }];
    this.#agent ??= openAgent({
      idMap: this.stores.idMap(),
      roots: [storeRoot(paths), ...this.#contexts.roots, ...mounted, ...otherRoots(paths)],
    });
    return this.#agent;
  }

  /** The directory that is mounted. */
  mountedRoot(): Handle {
    return this.#contexts.roots.length + 1;
  }

  /** The directory of a context. */
  contextRoot(from: MountSource): string {
    return this.#contexts.root(from);
  }

  /** The context's files as `step` sees them. Works without an agent until something is copied. */
  context(step: ContextUser): CopySource {
    return this.#contexts.source(step, () => this.agent(), this.options.signal);
  }

  /** Files of the context below `path` that are not what an earlier build found, a line each. */
  contextChanges(path: string): readonly string[] {
    return this.#contexts.changes(path);
  }

  /** The files of a finished stage or an image; an empty tree for nothing. */
  files(top: SnapshotRecord | undefined): CopySource {
    return treeSource(this.agent(), () => this.stack(top));
  }

  /** A read-only handle of a snapshot's stack. */
  async stack(top: SnapshotRecord | undefined): Promise<Handle> {
    const lowers = top === undefined ? [this.emptyLayer()] : top.lowers.map((id) => this.#layer(id));
    return this.agent().stack(await Promise.all(lowers));
  }

  /** A handle whose top is a new layer above what it lies on; `alone`: as if it lay on nothing. */
  async writable(active: ActiveSnapshot, options: { readonly alone?: boolean } = {}): Promise<Handle> {
    const top = await openInStore(this.agent(), this.stores.paths, active.fs, { writable: true });
    if (options.alone === true) return this.agent().stack([top], { writable: true });
    const lowers = await Promise.all((active.parent?.lowers ?? []).map((id) => this.#layer(id)));
    return this.agent().stack([top, ...lowers], { writable: true });
  }

  async emptyLayer(): Promise<Handle> {
    return openInStore(this.agent(), this.stores.paths, initLayer(this.stores.paths));
  }

  /** The account files of a stack, for names of users. Only regular files, and of them no more than a sane size (S11). */
  async accounts(handle: Handle): Promise<Accounts> {
    const read = async (path: string): Promise<string | undefined> => {
      const entry = await this.agent().stat(handle, path, { follow: true });
      if (entry?.type !== 'file' || entry.size > accountLimit) return undefined;
      return (await this.agent().read(handle, path, 0, accountLimit)).toString();
    };
    return { passwd: await read('etc/passwd'), group: await read('etc/group') };
  }

  /** The top snapshot of an image, unpacked if it was not; undefined for one without layers. */
  async unpacked(image: ImageRecord): Promise<SnapshotRecord | undefined> {
    if (image.config.rootfs.diff_ids.length === 0) return undefined;
    const known = this.stores.images.topSnapshot(image);
    if (known !== undefined) return known;
    return unpackImage(image, this.stores, {
      onWarning: (message) => this.onEvent({ kind: 'warning', message }),
      ...(this.options.signal === undefined ? {} : { signal: this.options.signal }),
    });
  }

  /**
   * Runs `fill` on a new layer above `parent` and commits it, none of its files later than the step's time; when it throws,
   * nothing stays.
   */
  async commitLayer(
    parent: SnapshotRecord | undefined,
    { createdBy: comment, filesTime }: Pick<Step, 'createdBy' | 'filesTime'>,
    fill: (active: ActiveSnapshot) => Promise<void>,
  ): Promise<SnapshotRecord> {
    const active = this.stores.snapshots.prepare(parent);
    try {
      await fill(active);
      if (filesTime !== undefined) await this.#clampTimes(active, filesTime);
      return this.stores.snapshots.commit(active, { comment });
    } catch (error) {
      await this.stores.snapshots.discard(active, this.stores.removeTree);
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      this.#contexts.save();
      await this.ssh.close();
      if (this.#agent !== undefined) await this.#emptyTrash(this.#agent);
    } finally {
      await this.#agent?.close();
    }
  }

  /** Work directories with files of other owners went there; this agent can remove them. */
  async #emptyTrash(agent: Agent): Promise<void> {
    const { paths } = this.stores;
    await emptyTrash(paths, async (path) => {
      await agent.remove(...inStore(agent, paths, path), { recursive: true });
    });
  }

  /**
   * The tar of the layer clamps times too; here it is done to the files, so that a build on this image finds what one on the
   * pulled image would.
   */
  async #clampTimes(active: ActiveSnapshot, seconds: number): Promise<void> {
    const agent = this.agent();
    const handle = await openInStore(agent, this.stores.paths, active.fs, { writable: true });
    await clampTimes(agent, handle, seconds);
    await agent.release(handle);
  }

  #layer(id: SnapshotRecord['id']): Promise<Handle> {
    const known = this.#layers.get(id);
    if (known !== undefined) return known;
    const handle = openInStore(this.agent(), this.stores.paths, this.stores.snapshots.layerPath(id));
    this.#layers.set(id, handle);
    return handle;
  }
}
