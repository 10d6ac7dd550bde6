/**
 * The file agent: file operations inside the user namespace, where every owner an image knows exists. Operations that make
 * something are fire-and-forget and pipelined: they return undefined, or a promise when the pipe is full; a failure surfaces at
 * the next awaited call (`sync` if there is none). native/PROTOCOL.md section 4 defines handles, paths and each operation.
 */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { startedChild } from '../host/child.js';
import type { IdMap } from '../host/id-map.js';
import { logger } from '../host/log.js';
import { addon } from './addon.js';
import { AgentChannel, requestFlags } from './agent-channel.js';
import { type AgentPath, type Entry, readEntry, type Time } from './agent-entry.js';
import {
  collectEntries,
  readRange,
  type WalkEvent,
  type WalkOptions,
  type WalkPart,
  walkRequest,
  walkTree,
} from './agent-walk.js';
import { AgentWrites, followFlag, type Handle, type Pending, unlessMissing } from './agent-writes.js';
import { idMapRecords } from './id-map-records.js';
import { nativePath } from './location.js';
import { encodePlan, type PlanRecord } from './plan.js';

export type { AgentPath, Entry, EntryType, Meta, Time } from './agent-entry.js';
export type { WalkEvent, WalkOptions } from './agent-walk.js';
export { type CopyCheck, type Handle, inlineContent, type Pending } from './agent-writes.js';

/** A part of a file and where in the shared memory it goes. */
export type FillPiece = {
  readonly path: AgentPath;
  readonly offset: number;
  readonly size: number;
  readonly at: number;
};

export type AgentRoot = {
  readonly path: string;
  readonly writable: boolean;
  /** One that `locate` may answer with. */
  readonly ofStore?: true;
};

export type OpenAgentOptions = {
  readonly idMap: IdMap;
  /** Directories the agent sees, as handles 0, 1, ...; nothing else of the host remains in its view. */
  readonly roots: readonly AgentRoot[];
  /** Bytes of memory to share with it, for `fill`. */
  readonly memory?: number;
};

/** Starts an agent. @throws HOST when user namespaces do not work here. */
export function openAgent(options: OpenAgentOptions): Agent {
  logger().debug(
    { idMap: options.idMap.how, roots: options.roots.map(({ path }) => path) },
    'file agent started',
  );
  const { roots } = options;
  return startAgent(
    [
      ...idMapRecords(options.idMap),
      ...roots.map(
        (root, index): PlanRecord => ['root', String(index), root.path, root.writable ? 'rw' : 'ro'],
      ),
    ],
    roots,
    options.memory,
  );
}

/**
 * Starts an agent in a running container: handle 0 is its root directory, alone (`root`) or with what is mounted in it
 * (`mounts`). `socket` is that of its supervisor.
 */
export function openContainerAgent(socket: string, view: 'root' | 'mounts'): Agent {
  return startAgent([['container', socket, view]]);
}

function startAgent(records: readonly PlanRecord[], roots: readonly AgentRoot[] = [], size = 0): Agent {
  const shared = size === 0 ? undefined : addon().sharedMemory('coracle-agent', size);
  const memory: PlanRecord[] = shared === undefined ? [] : [['memory', String(size)]];
  const plan = addon().memfd('coracle-plan', encodePlan([...records, ...memory]));
  const child = spawn(nativePath('coracle-sv'), ['agent'], {
    stdio: ['pipe', 'pipe', 'pipe', plan, ...(shared === undefined ? [] : [shared[0]])],
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
  });
  closeSync(plan);
  if (shared !== undefined) closeSync(shared[0]);
  startedChild(child, 'file agent');
  if (child.stdin === null || child.stdout === null) {
    throw new CoracleError('INTERNAL', 'start file agent: it has no pipes');
  }
  return new Agent(new AgentChannel(child, child.stdin, child.stdout), roots, shared?.[1]);
}

export class Agent extends AgentWrites {
  readonly #channel: AgentChannel;
  readonly #roots: readonly AgentRoot[];
  constructor(channel: AgentChannel, roots: readonly AgentRoot[], memory?: Buffer) {
    super(channel, memory);
    this.#channel = channel;
    this.#roots = roots;
  }

  /** The root of the store that an absolute path lies below, and the path from there; undefined when none has it. */
  locate(path: string): readonly [root: Handle, path: string] | undefined {
    const index = this.#roots.findIndex((root) => root.ofStore === true && path.startsWith(`${root.path}/`));
    const root = this.#roots[index];
    return root === undefined ? undefined : [index, path.slice(root.path.length + 1)];
  }

  /** A directory below a single-directory handle as a handle of its own; links are refused. */
  async open(
    parent: Handle,
    path: AgentPath,
    options: { create?: boolean; writable?: boolean } = {},
  ): Promise<Handle> {
    const reader = await this.#channel.request([1, 'open'], 0, (frame) =>
      frame
        .u32(parent)
        .bytes(path)
        .u8(options.create ? 1 : 0)
        .u8(options.writable ? 1 : 0),
    );
    return reader.u32();
  }

  /** A stack of single-directory handles, topmost first. */
  async stack(handles: readonly Handle[], options: { writable?: boolean } = {}): Promise<Handle> {
    const reader = await this.#channel.request([2, 'stack'], 0, (frame) => {
      frame.u8(options.writable ? 1 : 0).u16(handles.length);
      for (const handle of handles) frame.u32(handle);
    });
    return reader.u32();
  }

  release(handle: Handle): Pending {
    return this.#channel.post([3, 'close'], 0, (frame) => frame.u32(handle));
  }

  /** What is at `path`, undefined when nothing is. */
  async stat(
    handle: Handle,
    path: AgentPath,
    options: { follow?: boolean } = {},
  ): Promise<Entry | undefined> {
    return unlessMissing(undefined, async () =>
      readEntry(
        await this.#channel.request([30, 'stat'], followFlag(options), (frame) =>
          frame.u32(handle).bytes(path),
        ),
      ),
    );
  }

  /** The entries of one directory, in byte order. */
  async list(handle: Handle, path: AgentPath): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for await (const event of walkTree(this.#channel, 31, (frame) => frame.u32(handle).bytes(path))) {
      if (event.kind === 'entry') entries.push(event.entry);
    }
    return entries;
  }

  /** A tree in byte order, a directory before its children; with `contents`, a file's data events follow it. */
  walk(handle: Handle, path: AgentPath, options: WalkOptions = {}): AsyncGenerator<WalkEvent> {
    return walkTree(this.#channel, 32, walkRequest(handle, path, options));
  }

  /** The first `most` entries of a walk, or of what follows the path of an entry of it; without contents. */
  walkPart(
    handle: Handle,
    path: AgentPath,
    options: Pick<WalkOptions, 'raw'> & WalkPart,
  ): Promise<readonly Entry[]> {
    return collectEntries(this.#channel, 32, walkRequest(handle, path, options));
  }

  /** Reads parts of files into the shared memory. Rejects with ESTALE where a file became shorter. */
  async fill(handle: Handle, pieces: readonly FillPiece[]): Promise<void> {
    await this.#channel.request([35, 'read'], 0, (frame) => {
      frame.u32(handle).u16(pieces.length);
      for (const { path, offset, size, at } of pieces) frame.bytes(path).u64(offset).u32(size).u32(at);
    });
  }

  /** Up to `length` bytes of a file (links followed) from `offset`. */
  read(handle: Handle, path: AgentPath, offset: number, length: number): Promise<Buffer> {
    return readRange(this.#channel, handle, path, offset, length);
  }

  /** `path` without links, relative to the root. */
  async resolve(handle: Handle, path: AgentPath): Promise<Buffer> {
    const reader = await this.#channel.request([34, 'resolve'], requestFlags.follow, (frame) =>
      frame.u32(handle).bytes(path),
    );
    return Buffer.from(reader.bytes());
  }

  /** Copies the merged view of `source` into the empty directory `target`; the time after which changes count. */
  async flatten(source: Handle, target: Handle): Promise<Time> {
    const reader = await this.#channel.request([41, 'flatten'], 0, (frame) => frame.u32(source).u32(target));
    return { seconds: reader.i64(), nanoseconds: reader.u32() };
  }

  /** What `tree` changed over `lower` since `since`, in layer form into the empty directory `target`; the number of entries. */
  async compare(lower: Handle, tree: Handle, target: Handle, since: Time): Promise<number> {
    const reader = await this.#channel.request([42, 'compare'], 0, (frame) =>
      frame.u32(lower).u32(tree).u32(target).i64(since.seconds).u32(since.nanoseconds),
    );
    return reader.u64();
  }

  /** Brings an upper that fuse-overlayfs wrote into the kernel's form; the number of changed entries. */
  async normalise(handle: Handle): Promise<number> {
    return (await this.#channel.request([43, 'normalise'], 0, (frame) => frame.u32(handle))).u64();
  }

  async syncfs(handle: Handle): Promise<void> {
    await this.#channel.request([44, 'syncfs'], 0, (frame) => frame.u32(handle));
  }

  /** Allocated bytes and inodes of the top directory. */
  async usage(handle: Handle, path: AgentPath): Promise<{ readonly bytes: number; readonly inodes: number }> {
    const reader = await this.#channel.request([45, 'measure'], 0, (frame) => frame.u32(handle).bytes(path));
    return { bytes: reader.u64(), inodes: reader.u64() };
  }

  /** Waits until everything sent is done; throws the first failure. */
  async sync(): Promise<void> {
    await this.resolve(0, '.');
  }

  async close(): Promise<void> {
    await this.#channel.close();
  }

  /** Lets Node exit although the agent is still there. */
  unref(): void {
    this.#channel.unref();
  }
}
