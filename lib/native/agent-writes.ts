/** The half of the agent that makes and changes things. Pipelined: see agent.ts. */
import { CoracleError, hasErrno } from '../errors.js';
import { type AgentChannel, requestFlags } from './agent-channel.js';
import { type AgentPath, type Meta, type Time, writeMeta } from './agent-entry.js';

export type Handle = number;

/** Undefined: go on; a promise: the pipe is full, wait for it. */
export type Pending = Promise<void> | undefined;

/** Content up to this size travels in the frame that makes the file. */
export const inlineContent = 256 * 1024;
const chunkSize = 512 * 1024;
const noCheck: Required<CopyCheck> = {
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  ctime: { seconds: 0, nanoseconds: 0 },
};

/** What a source must still look like when it is copied. */
export type CopyCheck = { readonly size: number; readonly mtime: Time; readonly ctime: Time };

/** A file whose content is sent in pieces. */
export type FileSink = {
  readonly pending: Pending;
  readonly write: (chunk: Uint8Array) => Pending;
  /** @throws INTEGRITY when other than the announced bytes came. */
  readonly end: () => void;
};

/** Operations that make something are fire-and-forget. */
export class AgentWrites {
  readonly #channel: AgentChannel;
  /**
   * What the agent was started to share. Content that lies there is not sent: it must stay as it is until a later request was
   * answered. `fill` writes there.
   */
  readonly memory: Buffer | undefined;

  constructor(channel: AgentChannel, memory?: Buffer) {
    this.#channel = channel;
    this.memory = memory;
  }

  /** `existing`: `fail`, `update` (a directory is kept and gets `meta`, anything else replaced), `keep`. */
  mkdir(
    handle: Handle,
    path: AgentPath,
    meta: Meta,
    options: { existing?: 'fail' | 'update' | 'keep'; parents?: boolean } = {},
  ): Pending {
    const replace = { fail: 0, update: 1, keep: 2 }[options.existing ?? 'fail'];
    return this.#channel.post([10, 'mkdir'], parentsFlag(options), (frame) =>
      writeMeta(frame.u32(handle).bytes(path), meta).u8(replace),
    );
  }

  /** A file whose whole content is at hand, up to `inlineContent` bytes. */
  file(
    handle: Handle,
    path: AgentPath,
    meta: Meta,
    content: Uint8Array,
    options: { parents?: boolean } = {},
  ): Pending {
    if (content.length > inlineContent)
      throw new CoracleError('INTERNAL', `write file: ${content.length} bytes at once`);
    const at = this.#placeOf(content);
    return this.#channel.post([at === undefined ? 11 : 22, 'write'], parentsFlag(options), (frame) => {
      writeMeta(frame.u32(handle).bytes(path), meta).u64(content.length);
      if (at === undefined) frame.bytes(content);
      else frame.u32(at).u32(content.length);
    });
  }

  /** Where in the shared memory bytes lie; undefined for others. */
  #placeOf(bytes: Uint8Array): number | undefined {
    const { memory } = this;
    if (memory === undefined || bytes.buffer !== memory.buffer || bytes.length === 0) return undefined;
    return bytes.byteOffset - memory.byteOffset;
  }

  /** A file of exactly `size` bytes that come in pieces. Resolves when all are sent. */
  async fileStream(
    handle: Handle,
    path: AgentPath,
    meta: Meta,
    size: number,
    content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: { parents?: boolean } = {},
  ): Promise<void> {
    const file = this.beginFile(handle, path, meta, size, options);
    await file.pending;
    for await (const chunk of content) await file.write(chunk);
    file.end();
  }

  /** The same for a sender whose pieces are pushed: it waits for `pending` and for what `write` returns, and calls `end`. */
  beginFile(
    handle: Handle,
    path: AgentPath,
    meta: Meta,
    size: number,
    options: { parents?: boolean } = {},
  ): FileSink {
    const channel = this.#channel;
    const tag = channel.nextTag();
    const pending = channel.write(11, parentsFlag(options), tag, (frame) =>
      writeMeta(frame.u32(handle).bytes(path), meta).u64(size).bytes(''),
    );
    let sent = 0;
    return {
      pending,
      write: (chunk) => {
        sent += chunk.length;
        const place = this.#placeOf(chunk);
        if (place !== undefined)
          return channel.write(23, 0, tag, (frame) => frame.u32(place).u32(chunk.length));
        let full: Pending;
        for (let at = 0; at < chunk.length; at += chunkSize) {
          const piece = chunk.length <= chunkSize ? chunk : chunk.subarray(at, at + chunkSize);
          full = channel.write(12, 0, tag, (frame) => frame.bytes(piece));
        }
        return full;
      },
      end: () => {
        if (sent !== size) throw new CoracleError('INTEGRITY', `write file: got ${sent} bytes of ${size}`);
      },
    };
  }

  symlink(
    handle: Handle,
    path: AgentPath,
    target: AgentPath,
    meta: Meta,
    options: { parents?: boolean } = {},
  ): Pending {
    return this.#channel.post([13, 'symlink'], parentsFlag(options), (frame) =>
      writeMeta(frame.u32(handle).bytes(path).bytes(target), meta),
    );
  }

  link(handle: Handle, path: AgentPath, existing: AgentPath, options: { parents?: boolean } = {}): Pending {
    return this.#channel.post([14, 'link'], parentsFlag(options), (frame) =>
      frame.u32(handle).bytes(path).bytes(existing),
    );
  }

  /** A fifo or device. Waits: device nodes are refused by the kernel with EPERM, which the caller may want to know at once. */
  async node(
    handle: Handle,
    path: AgentPath,
    node: { type: 'fifo' | 'char' | 'block'; major: number; minor: number },
    meta: Meta,
    options: { parents?: boolean } = {},
  ): Promise<void> {
    const type = { fifo: 4, char: 5, block: 6 }[node.type];
    await this.#channel.request([15, 'mknod'], parentsFlag(options), (frame) =>
      writeMeta(frame.u32(handle).bytes(path).u8(type).u32(node.major).u32(node.minor), meta),
    );
  }

  whiteout(handle: Handle, path: AgentPath, options: { parents?: boolean } = {}): Pending {
    return this.#channel.post([16, 'whiteout'], parentsFlag(options), (frame) =>
      frame.u32(handle).bytes(path),
    );
  }

  opaque(handle: Handle, path: AgentPath): Pending {
    return this.#channel.post([17, 'opaque'], 0, (frame) => frame.u32(handle).bytes(path));
  }

  xattr(handle: Handle, path: AgentPath, name: string, value: Uint8Array): Pending {
    return this.#channel.post([18, 'setxattr'], 0, (frame) =>
      frame.u32(handle).bytes(path).bytes(name).bytes(value),
    );
  }

  /** Changes attributes; what lies only below is copied up. */
  setMeta(handle: Handle, path: AgentPath, meta: Meta, options: { follow?: boolean } = {}): Pending {
    return this.#channel.post([19, 'change'], followFlag(options), (frame) =>
      writeMeta(frame.u32(handle).bytes(path), meta),
    );
  }

  /** Removes from the top directory; false when there is nothing. */
  async remove(handle: Handle, path: AgentPath, options: { recursive?: boolean } = {}): Promise<boolean> {
    return unlessMissing(false, async () => {
      await this.#channel.request([20, 'remove'], 0, (frame) =>
        frame
          .u32(handle)
          .bytes(path)
          .u8(options.recursive ? 1 : 0),
      );
      return true;
    });
  }

  async rename(
    from: Handle,
    fromPath: AgentPath,
    to: Handle,
    toPath: AgentPath,
    options: { replace?: boolean } = {},
  ): Promise<void> {
    await this.#channel.request([21, 'rename'], 0, (frame) =>
      frame
        .u32(from)
        .bytes(fromPath)
        .u32(to)
        .bytes(toPath)
        .u8(options.replace ? 1 : 0),
    );
  }

  /** Copies a file between stacks; with `check` a source that changed is refused (ESTALE). */
  copyFile(
    source: { handle: Handle; path: AgentPath; check?: CopyCheck | undefined },
    target: { handle: Handle; path: AgentPath },
    meta: Meta,
    options: { parents?: boolean } = {},
  ): Pending {
    const check = source.check ?? noCheck;
    return this.#channel.post([40, 'copy'], parentsFlag(options), (frame) => {
      writeMeta(frame.u32(source.handle).bytes(source.path).u32(target.handle).bytes(target.path), meta).u64(
        check.size,
      );
      frame
        .i64(check.mtime.seconds)
        .u32(check.mtime.nanoseconds)
        .i64(check.ctime.seconds)
        .u32(check.ctime.nanoseconds);
    });
  }
}

/** The result of `action`, or `missing` when there is nothing at its path. */
export async function unlessMissing<T>(missing: T, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof CoracleError && hasErrno(error.cause, 'ENOENT', 'ENOTDIR')) return missing;
    throw error;
  }
}

function parentsFlag(options: { readonly parents?: boolean }): number {
  return options.parents ? requestFlags.parents : 0;
}

/** The flag that follows a link in the last component. */
export function followFlag(options: { readonly follow?: boolean }): number {
  return options.follow ? requestFlags.follow : 0;
}
