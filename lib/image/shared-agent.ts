/** The one file agent a process shares for short operations on the store, and removal of trees through it. */
import { lstatSync, rmdirSync, rmSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import type { IdMap } from '../host/id-map.js';
import type { StorePaths } from '../host/paths.js';
import { emptyTrash } from '../host/trash.js';
import type { Agent, AgentRoot } from '../native/agent.js';
import { isOwn } from '../snapshot/shared-layers.js';

export class SharedAgent {
  readonly #paths: StorePaths;
  readonly #idMap: () => IdMap;
  #agent: Promise<Agent> | undefined;
  readonly #started = new Set<Agent>();

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

  /** A new agent whose handle 0 is the store's root; `memory` bytes are shared with it. */
  async start(memory = 0): Promise<Agent> {
    const { openAgent } = await import('../native/agent.js');
    const roots = [storeRoot(this.#paths), ...otherRoots(this.#paths)];
    const agent = openAgent({ idMap: this.#idMap(), roots, memory });
    this.#started.add(agent);
    return agent;
  }

  /**
   * Removes a file or tree, whoever owns what is in it. Where no agent can start, what the user owns is removed
   * all the same.
   */
  async removeTree(path: string): Promise<void> {
    if (removeSimple(path)) return;
    try {
      await removeThrough(await this.open(), path);
    } catch (error) {
      if (!(error instanceof CoracleError) || error.code !== 'HOST') throw error;
      removeOwn(path, error);
    }
  }

  /** Empties the trash as far as it can. */
  async emptyTrash(): Promise<void> {
    await unlessRefused(emptyTrash(this.#paths, (path) => this.removeTree(path)));
  }

  /** Ends every agent that was started, also one whose user failed before it ended it: a living agent keeps Node from exiting. */
  async close(): Promise<void> {
    await this.#agent?.catch(() => undefined);
    this.#agent = undefined;
    for (const agent of this.#started) await agent.close();
    this.#started.clear();
  }

  async #openAndSweep(): Promise<Agent> {
    const agent = await this.start();
    await unlessRefused(emptyTrash(this.#paths, (path) => removeThrough(agent, path)));
    return agent;
  }
}

/** Another process may remove the same tree. */
async function removeThrough(agent: Agent, path: string): Promise<void> {
  try {
    const place = agent.locate(path);
    // Records of transient containers are this user's own files.
    if (place === undefined) rmSync(path, { recursive: true, force: true });
    else await agent.remove(...place, { recursive: true });
  } catch (error) {
    if (!(error instanceof CoracleError) || !hasErrno(error.cause, 'ENOENT')) throw error;
  }
}

/** What of the trash stays is for another command, and no reason for this one to fail. */
async function unlessRefused(emptying: Promise<void>): Promise<void> {
  try {
    await emptying;
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
  }
}

/** Removes a file or empty directory; false for a tree, which the agent removes faster than Node. */
function removeSimple(path: string): boolean {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found?.isDirectory()) rmdirSync(path);
    else rmSync(path, { force: true });
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) return false;
    if (hasErrno(error, 'ENOENT')) return true;
    throw ioError(`remove ${path}`, error);
  }
}

function removeOwn(path: string, reason: CoracleError): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    throw hasErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY') ? reason : ioError(`remove ${path}`, error);
  }
}

/** Root 0 of an agent of the store. */
export function storeRoot({ root }: StorePaths): AgentRoot {
  return { path: root, writable: true, ofStore: true };
}

/** The further roots: where the images are, if that is elsewhere, and stores that are only read. */
export function otherRoots({ root, imageRoot, additional }: StorePaths): readonly AgentRoot[] {
  const images = imageRoot === root ? [] : [{ path: imageRoot, writable: true, ofStore: true } as const];
  const others = additional.filter((one) => one.root !== root && isOwn(one));
  return [...images, ...others.map((one) => ({ path: one.root, writable: false, ofStore: true }) as const)];
}
