/** The one file agent a process shares for short operations on the store, and removal of trees through it. */
import { rmSync } from 'node:fs';
import { relative } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import type { IdMap } from '../host/id-map.js';
import type { StorePaths } from '../host/paths.js';
import { emptyTrash, listTrash } from '../host/trash.js';
import type { Agent } from '../native/agent.js';

export class SharedAgent {
  readonly #paths: StorePaths;
  readonly #idMap: () => IdMap;
  #agent: Promise<Agent> | undefined;

  constructor(paths: StorePaths, idMap: () => IdMap) {
    this.#paths = paths;
    this.#idMap = idMap;
  }

  /** The shared agent. Whoever starts it also empties the trash, which only an agent can. */
  open(): Promise<Agent> {
    this.#agent ??= this.#openAndSweep().catch((error: unknown) => {
      this.#agent = undefined;
      throw error;
    });
    return this.#agent;
  }

  /** A new agent whose handle 0 is the store's root. */
  async start(): Promise<Agent> {
    const { openAgent } = await import('../native/agent.js');
    return openAgent({ idMap: this.#idMap(), roots: [{ path: this.#paths.root, writable: true }] });
  }

  /** Removes what the user owns directly, and what belongs to mapped ids through an agent. */
  async removeTree(path: string): Promise<void> {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch (error) {
      if (!hasErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw ioError(`remove ${path}`, error);
      await removeThrough(await this.open(), this.#paths, path);
    }
  }

  async close(): Promise<void> {
    const agent = await this.#agent;
    this.#agent = undefined;
    await agent?.close();
  }

  async #openAndSweep(): Promise<Agent> {
    const agent = await this.start();
    if (listTrash(this.#paths).length > 0) {
      await emptyTrash(this.#paths, (path) => removeThrough(agent, this.#paths, path));
    }
    return agent;
  }
}

async function removeThrough(agent: Agent, paths: StorePaths, path: string): Promise<void> {
  await agent.remove(0, relative(paths.root, path), { recursive: true });
}
