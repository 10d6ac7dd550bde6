/** What the agent tells of a file, and what it is told to make of one. native/PROTOCOL.md section 4. */
import type { FrameReader, FrameWriter } from './agent-frames.js';

/** A path inside a handle's stack; bytes where the name need not be UTF-8. */
export type AgentPath = string | Uint8Array;

export type Time = { readonly seconds: number; readonly nanoseconds: number };

/** Attributes to set; absent ones are left as they are or get the default. */
export type Meta = {
  /** Permission bits, set-id and sticky included. */
  readonly mode?: number | undefined;
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mtime?: Time | undefined;
};

export const entryTypes = [
  'file',
  'directory',
  'symlink',
  'fifo',
  'char',
  'block',
  'socket',
  'whiteout',
] as const;

export type EntryType = (typeof entryTypes)[number];

export type Entry = {
  /** Relative to the handle's root. */
  readonly path: Buffer;
  readonly type: EntryType;
  /** A directory of a raw walk that hides what lies below. */
  readonly opaque: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: Time;
  readonly ctime: Time;
  readonly dev: number;
  readonly ino: number;
  readonly nlink: number;
  readonly major: number;
  readonly minor: number;
  /** Of symbolic links. */
  readonly target: Buffer;
  readonly xattrs: ReadonlyMap<string, Buffer>;
};

const metaBits = { mode: 1, owner: 2, mtime: 4, linkMtime: 8 } as const;

/** Appends `meta`; its mask says which fields count. */
export function writeMeta(writer: FrameWriter, meta: Meta): FrameWriter {
  const mask =
    (meta.mode === undefined ? 0 : metaBits.mode) |
    (meta.owner === undefined ? 0 : metaBits.owner) |
    (meta.mtime === undefined ? 0 : metaBits.mtime | metaBits.linkMtime);
  return writer
    .u32(meta.mode ?? 0)
    .u32(meta.owner?.uid ?? 0)
    .u32(meta.owner?.gid ?? 0)
    .i64(meta.mtime?.seconds ?? 0)
    .u32(meta.mtime?.nanoseconds ?? 0)
    .u16(mask);
}

/** Reads an `entry`. */
export function readEntry(reader: FrameReader): Entry {
  return {
    path: reader.bytes(),
    type: entryTypes[reader.u8() - 1] ?? 'socket',
    opaque: reader.u8() === 1,
    mode: reader.u32(),
    uid: reader.u32(),
    gid: reader.u32(),
    size: reader.u64(),
    mtime: { seconds: reader.i64(), nanoseconds: reader.u32() },
    ctime: { seconds: reader.i64(), nanoseconds: reader.u32() },
    dev: reader.u64(),
    ino: reader.u64(),
    nlink: reader.u32(),
    major: reader.u32(),
    minor: reader.u32(),
    target: reader.bytes(),
    xattrs: readXattrs(reader),
  };
}

function readXattrs(reader: FrameReader): ReadonlyMap<string, Buffer> {
  const xattrs = new Map<string, Buffer>();
  for (let left = reader.u16(); left > 0; left--) {
    const name = reader.bytes().toString('latin1');
    xattrs.set(name, Buffer.from(reader.bytes()));
  }
  return xattrs;
}
