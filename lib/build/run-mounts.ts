/** Opens a RUN's mounts: what the plan says becomes mounts of the sandbox, held until the step has ended. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, ioError } from '../errors.js';
import { inStore } from '../image/stores.js';
import type { ProcessSpec } from '../sandbox/launch-spec.js';
import type { Mount } from '../sandbox/mount.js';
import { requestedMount } from '../sandbox/requested-mount.js';
import type { StorageDriver } from '../snapshot/driver.js';
import { openCache } from './cache-mount-step.js';
import type { MountPlace } from './mount-stubs.js';
import { type OpenedMount, openTree } from './mount-trees.js';
import type { RunStep } from './plan.js';
import type { MountOrigins } from './run-inputs.js';
import type { RunMount } from './run-mount.js';
import type { BuildSession } from './session.js';
import type { Forwarding } from './ssh-agents.js';

type Release = () => void | Promise<void>;

export class RunMounts {
  readonly #session: BuildSession;
  readonly #step: RunStep;
  readonly #directory: string;
  readonly #driver: StorageDriver;
  readonly #opened: OpenedMount[] = [];
  readonly #secrets: { readonly name: string; readonly value: Uint8Array }[] = [];
  readonly #releases: Release[] = [];

  /** `directory` is for what the mounts need; its owner removes it. */
  constructor(
    session: BuildSession,
    step: RunStep,
    { directory, driver }: { readonly directory: string; readonly driver: StorageDriver },
  ) {
    this.#session = session;
    this.#step = step;
    this.#directory = directory;
    this.#driver = driver;
  }

  get mounts(): readonly Mount[] {
    return this.#opened.map(({ mount }) => mount);
  }

  /** Variables whose values are secrets. */
  get secrets(): ProcessSpec['secrets'] {
    return this.#secrets;
  }

  get places(): readonly MountPlace[] {
    return this.#opened.map(({ mount, kind }) => ({ target: mount.destination, kind }));
  }

  /** Opens all; caches in an order that is the same everywhere, so that no two steps wait for each other. */
  async open(origins: MountOrigins): Promise<void> {
    const wanted = this.#step.mounts;
    if (wanted.length > 0) mkdirSync(this.#directory, { mode: 0o700 });
    await this.#openCaches(origins);
    for (const [index, mount] of wanted.entries()) {
      const opened = await this.#open(mount, origins, index);
      if (opened !== undefined) this.#opened.push(opened);
    }
    for (const request of this.#session.options.mounts ?? []) {
      const isDirectory = request.type !== 'bind' || statSource(request.source);
      const mount = requestedMount(request, { sourceIsDirectory: isDirectory });
      this.#opened.push({ mount, kind: isDirectory ? 'directory' : 'file' });
    }
  }

  /** Lets go of locks and sockets. */
  async close(): Promise<void> {
    for (const release of this.#releases.reverse()) await release();
  }

  async #openCaches(origins: MountOrigins): Promise<void> {
    const { opened, releases } = await openCache(this.#session, this.#step, origins, this.#directory);
    this.#opened.push(...opened);
    this.#releases.push(...releases);
  }

  async #open(mount: RunMount, origins: MountOrigins, index: number): Promise<OpenedMount | undefined> {
    switch (mount.kind) {
      case 'cache':
        return undefined;
      case 'bind': {
        const origin = origins.get(mount) ?? { kind: 'context' };
        const place = join(this.#directory, `${index}`);
        return openTree(this.#session, origin, mount, { place, driver: this.#driver });
      }
      case 'tmpfs': {
        const size = mount.size === undefined ? [] : [`size=${mount.size}`];
        const options = [mount.readOnly ? 'ro' : 'rw', 'nosuid', 'nodev', 'mode=1777', ...size];
        const { target: destination } = mount;
        return { mount: { type: 'tmpfs', source: 'tmpfs', destination, options }, kind: 'directory' };
      }
      case 'secret':
        return this.#openSecret(mount);
      case 'ssh':
        return this.#openAgent(mount, index);
    }
  }

  #openSecret(mount: Extract<RunMount, { kind: 'secret' }>): OpenedMount | undefined {
    const { id, target, env } = mount;
    const data = this.#session.secrets.read(id);
    if (data === undefined) {
      if (!mount.required) return undefined;
      throw new CoracleError('NOT_FOUND', `mount secret ${id}: the build was not given it`, {
        hint: `add --secret id=${id},src=FILE or --secret id=${id},env=NAME to the build command`,
      });
    }
    if (env !== undefined) {
      if (data.includes(0))
        throw new CoracleError('INVALID', `set ${env} to secret ${id}: it holds a NUL byte`);
      this.#secrets.push({ name: env, value: data });
    }
    if (target === undefined) return undefined;
    const options = ['ro', 'nosuid', 'nodev', 'noexec', 'create=file', ...ownerOptions(mount)];
    return { mount: { type: 'data', source: '', destination: target, options, data }, kind: 'file' };
  }

  async #openAgent(
    mount: Extract<RunMount, { kind: 'ssh' }>,
    index: number,
  ): Promise<OpenedMount | undefined> {
    const { id, target, mode, uid, gid } = mount;
    const forwarding: Forwarding | undefined = await this.#session.ssh.forward(
      id,
      this.#directory,
      `agent-${index}`,
    );
    if (forwarding === undefined) {
      if (!mount.required) return undefined;
      throw new CoracleError('NOT_FOUND', `mount ssh agent ${id}: the build was not given it`, {
        hint: `add --ssh ${id === 'default' ? 'default' : `${id}=SOCKET|KEY`} to the build command`,
      });
    }
    this.#releases.push(() => forwarding.close());
    const agent = this.#session.agent();
    const place = inStore(agent, this.#session.stores.paths, forwarding.path);
    await agent.setMeta(...place, { mode, owner: { uid, gid } });
    await agent.sync();
    const options = ['rw', 'nosuid', 'nodev', 'noexec', 'create=file'];
    return {
      mount: { type: 'bind', source: forwarding.path, destination: target, options },
      kind: 'file',
    };
  }
}

function ownerOptions({ mode, uid, gid }: { mode: number; uid: number; gid: number }): readonly string[] {
  return [`mode=${mode.toString(8).padStart(4, '0')}`, `uid=${uid}`, `gid=${gid}`];
}

/** Whether a bind source of the host is a directory. @throws NOT_FOUND, IO */
function statSource(source: string): boolean {
  if (!existsSync(source)) {
    throw new CoracleError('NOT_FOUND', `bind ${source}: no such file or directory`, {
      hint: 'make it first; a volume of a build is a directory or file of this host',
    });
  }
  try {
    return statSync(source).isDirectory();
  } catch (error) {
    throw ioError(`bind ${source}`, error);
  }
}
