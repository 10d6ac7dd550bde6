/** Entries of a walk as the blocks of an archive: headers, contents, padding, hard links, the end. */
import type { Entry, Time } from '../native/agent-entry.js';
import type { DiffOptions } from './diff.js';
import { isReservedName, type LayerPath } from './layer-path.js';
import { padding, printablePath, type TarHeader, type TarTime, type TarType } from './tar-entry.js';
import { checkWritten, encodeHeader, encodePadding, encodeTrailer } from './tar-writer.js';
import { isLayerXattr } from './xattr-policy.js';

/** Small pieces are joined up to this size, so that what follows is not called once a header. */
const joinSize = 256 * 1024;
/** Pieces from this size on are handed on as they are: a copy would cost more than a call. */
const largePiece = 16 * 1024;

const noBytes = Buffer.alloc(0);
const noXattrs: ReadonlyMap<string, Buffer> = new Map();

/** One archive being written. Each method gives the blocks that are ready. */
export class TarStream {
  readonly #options: DiffOptions;
  /** First path of each file with several names, by device and inode. */
  readonly #names = new Map<string, LayerPath>();
  readonly #pieces: Buffer[] = [];
  #joined = 0;
  #open: TarHeader | undefined;
  #written = 0;
  #skipping = false;

  constructor(options: DiffOptions) {
    this.#options = options;
  }

  /** Begins the entry of a file; its content, if any, follows by `data`. */
  *entry(entry: Entry): Generator<Buffer, void> {
    yield* this.#close();
    const type = this.#typeOf(entry);
    if (type === undefined) {
      this.#skipping = true;
      return;
    }
    const first = this.#firstName(entry);
    const header = this.#header(entry, first === undefined ? type : 'link', first);
    yield* this.#put(encodeHeader(header));
    this.#open = header;
    // the content of a further name came with the first one
    this.#skipping = first !== undefined;
  }

  /** Takes content of the entry begun last. */
  *data(chunk: Buffer): Generator<Buffer, void> {
    if (this.#skipping) return;
    this.#written += chunk.length;
    yield* this.#put(chunk);
  }

  /** An empty file at `path` that stands for something hidden; without a time, so that it is the same each time. */
  *marker(path: LayerPath): Generator<Buffer, void> {
    yield* this.#close();
    yield* this.#put(encodeHeader({ ...plain, path }));
  }

  /** The last blocks. */
  *end(): Generator<Buffer, void> {
    yield* this.#close();
    this.#pieces.push(encodeTrailer());
    yield* this.#flush();
  }

  #typeOf(entry: Entry): TarType | undefined {
    const { type, path } = entry;
    // the root's own attributes are no change a layer tells
    if (path.length === 0) return undefined;
    if (isReservedName(path)) return this.#leaveOut(path, 'the name is reserved for deleted files');
    if (type === 'socket') return this.#leaveOut(path, 'a socket cannot be in a layer');
    return type === 'whiteout' ? undefined : type;
  }

  #leaveOut(path: LayerPath, reason: string): undefined {
    this.#options.onWarning?.(`leave out ${printablePath(path)}: ${reason}`);
    return undefined;
  }

  #firstName(entry: Entry): LayerPath | undefined {
    if (entry.type === 'directory' || entry.nlink < 2) return undefined;
    const key = `${entry.dev}:${entry.ino}`;
    const first = this.#names.get(key);
    if (first === undefined) this.#names.set(key, entry.path);
    return first;
  }

  #header(entry: Entry, type: TarType, first: LayerPath | undefined): TarHeader {
    const device = type === 'char' || type === 'block';
    return {
      path: type === 'directory' ? Buffer.concat([entry.path, Buffer.from('/')]) : entry.path,
      type,
      mode: entry.mode,
      uid: entry.uid,
      gid: entry.gid,
      size: type === 'file' ? entry.size : 0,
      mtime: this.#time(entry.mtime),
      linkTarget: first ?? (type === 'symlink' ? entry.target : noBytes),
      xattrs: type === 'file' || type === 'directory' ? keptXattrs(entry) : noXattrs,
      major: device ? entry.major : 0,
      minor: device ? entry.minor : 0,
    };
  }

  #time({ seconds, nanoseconds }: Time): TarTime {
    if (this.#options.preciseTimes === true) return { s: seconds, ns: nanoseconds };
    const clamp = this.#options.clampMtime;
    return { s: clamp === undefined ? seconds : Math.min(seconds, clamp), ns: 0 };
  }

  /** Ends the entry before: checks its length and fills its last block. */
  *#close(): Generator<Buffer, void> {
    const header = this.#open;
    const written = this.#written;
    this.#open = undefined;
    this.#written = 0;
    this.#skipping = false;
    if (header === undefined) return;
    checkWritten(header, written);
    if (padding(header.size) > 0) yield* this.#put(encodePadding(header.size));
  }

  *#put(piece: Buffer): Generator<Buffer, void> {
    if (piece.length >= largePiece) {
      yield* this.#flush();
      yield piece;
      return;
    }
    this.#pieces.push(piece);
    this.#joined += piece.length;
    if (this.#joined >= joinSize) yield* this.#flush();
  }

  *#flush(): Generator<Buffer, void> {
    if (this.#pieces.length > 0) yield Buffer.concat(this.#pieces);
    this.#pieces.length = 0;
    this.#joined = 0;
  }
}

const plain: TarHeader = {
  path: noBytes,
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { s: 0, ns: 0 },
  linkTarget: noBytes,
  xattrs: noXattrs,
  major: 0,
  minor: 0,
};

function keptXattrs(entry: Entry): ReadonlyMap<string, Buffer> {
  const kept = [...entry.xattrs].filter(([name]) => isLayerXattr(name));
  return kept.length === 0 ? noXattrs : new Map(kept);
}
