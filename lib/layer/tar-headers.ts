/** Entries of a walk as the headers of an archive: what has a place in it, hard links, times. */
import type { Entry, Time } from '../native/agent-entry.js';
import type { DiffOptions } from './diff.js';
import { isReservedName, type LayerPath } from './layer-path.js';
import { printablePath, type TarHeader, type TarTime, type TarType } from './tar-entry.js';
import { encodeHeader } from './tar-writer.js';
import { isLayerXattr } from './xattr-policy.js';

const noBytes = Buffer.alloc(0);
const noXattrs: ReadonlyMap<string, Buffer> = new Map();
const slash = Buffer.from('/');

/** The headers of one archive. */
export class TarHeaders {
  readonly #options: DiffOptions;
  /** First path of each file with several names, by device and inode. */
  readonly #names = new Map<string, LayerPath>();

  constructor(options: DiffOptions) {
    this.#options = options;
  }

  /** The header of an entry; undefined for one an archive has no place for. `size` is 0 for a further name of a file. */
  of(entry: Entry): TarHeader | undefined {
    const type = this.#typeOf(entry);
    if (type === undefined) return undefined;
    const first = this.#firstName(entry);
    return this.#header(entry, first === undefined ? type : 'link', first);
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
      path: type === 'directory' ? Buffer.concat([entry.path, slash]) : entry.path,
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
}

/** The header of an empty file at `path` that stands for something hidden; without a time, so that it is the same each time. */
export function encodeMarker(path: LayerPath): Buffer {
  return encodeHeader({ ...plain, path });
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
  if (entry.xattrs.size === 0) return noXattrs;
  const kept = [...entry.xattrs].filter(([name]) => isLayerXattr(name));
  return kept.length === 0 ? noXattrs : new Map(kept);
}
