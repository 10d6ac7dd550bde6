/** What the agent tells of a file, and what it is told to make of one. native/PROTOCOL.md section 4. */
import { type FrameReader, type FrameWriter, joined } from './agent-frames.js';

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

/** Bytes of the fields between path and target. */
const fixedBytes = 74;

/** Reads an `entry`. Its fields are taken at their places: this is done for every file of an image. */
export function readEntry(reader: FrameReader): Entry {
  const path = reader.bytes();
  const view = reader.view(fixedBytes);
  return {
    path,
    type: entryTypes[view.getUint8(0) - 1] ?? 'socket',
    opaque: view.getUint8(1) === 1,
    mode: view.getUint32(2, true),
    uid: view.getUint32(6, true),
    gid: view.getUint32(10, true),
    size: joined(view.getUint32(18, true), view.getUint32(14, true)),
    mtime: readTime(view, 22),
    ctime: readTime(view, 34),
    dev: joined(view.getUint32(50, true), view.getUint32(46, true)),
    ino: joined(view.getUint32(58, true), view.getUint32(54, true)),
    nlink: view.getUint32(62, true),
    major: view.getUint32(66, true),
    minor: view.getUint32(70, true),
    target: reader.bytes(),
    xattrs: readXattrs(reader),
  };
}

function readTime(view: DataView, at: number): Time {
  return {
    seconds: joined(view.getInt32(at + 4, true), view.getUint32(at, true)),
    nanoseconds: view.getUint32(at + 8, true),
  };
}

const noXattrs: ReadonlyMap<string, Buffer> = new Map();

function readXattrs(reader: FrameReader): ReadonlyMap<string, Buffer> {
  const count = reader.u16();
  if (count === 0) return noXattrs;
  const xattrs = new Map<string, Buffer>();
  for (let left = count; left > 0; left--) {
    const name = reader.bytes().toString('latin1');
    xattrs.set(name, Buffer.from(reader.bytes()));
  }
  return xattrs;
}
