/**
 * The places of a RUN's mounts. What the image lacks of them is made in a layer of its own below all others, so that nothing of it
 * gets into the step's layer (S19); BuildKit removes such stubs afterwards, and so does this where one got there all the same.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import type { Agent, Handle } from '../native/agent.js';

export type MountPlace = { readonly target: string; readonly kind: 'file' | 'directory' };

/** Something missing, relative to the root, links resolved; parents come after what lies in them. */
type Stub = { readonly path: string; readonly kind: MountPlace['kind'] };

export class MountStubs {
  readonly #stubs: readonly Stub[];

  private constructor(stubs: readonly Stub[]) {
    this.#stubs = stubs;
  }

  /** Finds what `stack`, the files below the step, lacks of the places. */
  static async plan(agent: Agent, stack: Handle, places: readonly MountPlace[]): Promise<MountStubs> {
    const stubs: Stub[] = [];
    for (const place of places) {
      if (places.some(({ target }) => place.target.startsWith(`${target}/`))) continue;
      stubs.push(...(await missingOf(agent, stack, place)));
    }
    return new MountStubs(stubs.sort((one, other) => other.path.length - one.path.length));
  }

  get isEmpty(): boolean {
    return this.#stubs.length === 0;
  }

  /** Makes them in the empty directory `layer`. */
  make(layer: string): void {
    for (const { path, kind } of this.#stubs) {
      const place = join(layer, path);
      try {
        mkdirSync(kind === 'directory' ? place : dirname(place), { recursive: true, mode: 0o755 });
        if (kind === 'file') closeSync(openSync(place, 'a', 0o644));
      } catch (error) {
        // A file and a directory of the same name: the mount itself says so.
        if (!hasErrno(error, 'EEXIST', 'ENOTDIR', 'EISDIR'))
          throw ioError(`make mount point /${path}`, error);
      }
    }
  }

  /** Takes those out of a step's layer that are there and still empty. `layer` is a handle of it alone. */
  async remove(agent: Agent, layer: Handle): Promise<void> {
    for (const stub of this.#stubs)
      if (await isUntouched(agent, layer, stub)) await removeOne(agent, layer, stub);
  }
}

async function missingOf(
  agent: Agent,
  stack: Handle,
  { target, kind }: MountPlace,
): Promise<readonly Stub[]> {
  const names = target.split('/').filter((name) => name !== '');
  let found = '';
  for (const [index, name] of names.entries()) {
    const path = posix.join(found, name);
    const entry = await agent.stat(stack, path, { follow: true });
    if (entry !== undefined) {
      found = (await agent.resolve(stack, path)).toString();
      continue;
    }
    // What a dangling link points to is made by the mount; its place cannot be known beforehand.
    if ((await agent.stat(stack, path)) !== undefined) return [];
    return names.slice(index).map((_, deeper, missing): Stub => {
      const length = missing.length - deeper;
      return {
        path: posix.join(found, ...missing.slice(0, length)),
        kind: deeper === 0 ? kind : 'directory',
      };
    });
  }
  return [];
}

/** No link on the way to it, of the type it was made with, and nothing in it. */
async function isUntouched(agent: Agent, layer: Handle, { path, kind }: Stub): Promise<boolean> {
  const entry = await agent.stat(layer, path);
  if (entry === undefined || entry.type !== kind) return false;
  if ((await agent.resolve(layer, path)).toString() !== path) return false;
  if (kind === 'file') return entry.size === 0;
  for await (const event of agent.walk(layer, path, { raw: true, depth: 1 }))
    if (event.kind === 'entry' && event.entry.path.toString() !== path) return false;
  return true;
}

/** With the time that the directory it was in had before, as BuildKit has it. */
async function removeOne(agent: Agent, layer: Handle, { path }: Stub): Promise<void> {
  const parent = posix.dirname(path);
  const before = parent === '.' ? undefined : await agent.stat(layer, parent);
  await agent.remove(layer, path, { recursive: true });
  if (before !== undefined) await agent.setMeta(layer, parent, { mtime: before.mtime });
  await agent.sync();
}
