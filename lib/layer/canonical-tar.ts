/**
 * Whether an archive is, byte for byte, what `diffTar` makes of the files it becomes: then the files are kept alone, otherwise
 * its bytes are kept, too. Decided while the archive is read, where that is certain; what is not (deleted files, devices) is measured.
 */
import type { LayerPath } from './layer-path.js';
import { layerPath, pathMeaning } from './layer-path.js';
import { padding, type TarHeader } from './tar-entry.js';
import type { TarObserver } from './tar-reader.js';
import { encodeHeader, encodeTrailer } from './tar-writer.js';
import { isLayerXattr } from './xattr-policy.js';

/** Times every file system keeps as they are. */
const latestTime = 0x7fffffff;
/** No header is as long as this; what is longer follows the end. */
const longestGap = 4 * 1024 * 1024;

const noBytes = Buffer.alloc(0);

/** What a file's further names must say, too. */
type FileFacts = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
};

/** `canonical`: its files give the same bytes again; `foreign`: they do not; `uncertain`: that has to be tried. */
export type TarForm = 'canonical' | 'foreign' | 'uncertain';

/** Watches one archive being parsed. */
export class CanonicalTar implements TarObserver {
  readonly #files = new Map<string, FileFacts>();
  /** The directories the last entry lies in, each with the name that came last in it. */
  readonly #open: { readonly path: string; last: string }[] = [{ path: '', last: '' }];
  /** The headers since the last content, from `#start` to `#end`: mostly a part of what the archive is read in. */
  #gap: Buffer = noBytes;
  #start = 0;
  #end = 0;
  /** Zeros that must come first. */
  #padding = 0;
  #form: TarForm = 'canonical';

  raw(bytes: Buffer, start: number, end: number): void {
    if (this.#form !== 'canonical') return;
    const from = this.#pad(bytes, start, end);
    if (from === end) return;
    if (this.#start === this.#end) this.#keep(bytes, from, end);
    else if (this.#gap === bytes && this.#end === from) this.#end = end;
    else {
      const joined = Buffer.concat([this.#gap.subarray(this.#start, this.#end), bytes.subarray(from, end)]);
      this.#keep(joined, 0, joined.length);
    }
    if (this.#end - this.#start > longestGap) this.#give('foreign');
  }

  entry(header: TarHeader, offset: number | undefined): void {
    if (this.#form !== 'canonical') return;
    const expected = offset === undefined ? 'foreign' : this.#expected(header);
    if (typeof expected === 'string') this.#give(expected);
    else if (!this.#gapIs(expected)) this.#give('foreign');
    this.#padding = padding(header.size);
  }

  /** What was parsed so far may change from now on. */
  detach(): void {
    const kept = Buffer.from(this.#gap.subarray(this.#start, this.#end));
    this.#keep(kept, 0, kept.length);
  }

  /** True as soon as an archive is known not to be of that form. */
  get isForeign(): boolean {
    return this.#form === 'foreign';
  }

  /** Asked after the end of the archive. */
  finish(): TarForm {
    if (this.#form === 'canonical' && !this.#gapIs(encodeTrailer())) this.#give('foreign');
    return this.#form;
  }

  #give(form: 'foreign' | 'uncertain'): void {
    this.#form = form;
    this.#keep(noBytes, 0, 0);
    this.#files.clear();
  }

  #keep(bytes: Buffer, start: number, end: number): void {
    this.#gap = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Passes over the zeros after a content; returns where they end. */
  #pad(bytes: Buffer, start: number, end: number): number {
    let at = start;
    for (; this.#padding > 0 && at < end; at++, this.#padding--) {
      if (bytes[at] === 0) continue;
      this.#give('foreign');
      return end;
    }
    return at;
  }

  #gapIs(expected: Buffer): boolean {
    const same =
      this.#padding === 0 &&
      this.#end - this.#start === expected.length &&
      this.#gap.compare(expected, 0, expected.length, this.#start, this.#end) === 0;
    this.#keep(noBytes, 0, 0);
    return same;
  }

  /** The header `diffTar` would write here; `foreign` where it writes none. */
  #expected(header: TarHeader): Buffer | 'foreign' | 'uncertain' {
    const { type, mtime } = header;
    const path = layerPath(header.path);
    if (path.length === 0) return 'foreign';
    if (pathMeaning(path).kind !== 'entry' || type === 'char' || type === 'block') return 'uncertain';
    if (mtime.ns !== 0 || mtime.s < 0 || mtime.s > latestTime || header.major !== 0 || header.minor !== 0)
      return 'uncertain';
    // the kernel gives every symbolic link the same mode
    if (type === 'symlink' && header.mode !== 0o777) return 'uncertain';
    if (header.xattrs.size > 0 && !this.#keepsXattrs(header)) return 'uncertain';
    const key = keyOf(path);
    // a walk meets each name once, in this order: no files give these bytes
    if (!this.#inOrder(key, type === 'directory')) return 'foreign';
    if (type === 'link' && !this.#isFirstName(header)) return 'uncertain';
    if (type !== 'link' && type !== 'directory') this.#remember(key, header);
    return encodeHeader(withPath(header, path));
  }

  #keepsXattrs({ type, xattrs }: TarHeader): boolean {
    return (type === 'file' || type === 'directory') && [...xattrs.keys()].every(isLayerXattr);
  }

  #remember(key: string, { mode, uid, gid, mtime }: TarHeader): void {
    this.#files.set(key, { mode, uid, gid, mtime: mtime.s });
  }

  /** A further name has nothing of its own: it says what the first one says. */
  #isFirstName(header: TarHeader): boolean {
    const target = keyOf(layerPath(header.linkTarget));
    const first = this.#files.get(target);
    if (first === undefined || keyOf(header.linkTarget) !== target) return false;
    const { mode, uid, gid, mtime } = first;
    return header.mode === mode && header.uid === uid && header.gid === gid && header.mtime.s === mtime;
  }

  /** Directories before what is in them, names by their bytes, none twice: as a walk meets them. */
  #inOrder(key: string, directory: boolean): boolean {
    const slash = key.lastIndexOf('/');
    const parent = slash < 0 ? '' : key.slice(0, slash);
    while (this.#open.length > 1 && this.#open.at(-1)?.path !== parent) this.#open.pop();
    const place = this.#open.at(-1);
    const name = key.slice(slash + 1);
    if (place === undefined || place.path !== parent || name <= place.last) return false;
    place.last = name;
    if (directory) this.#open.push({ path: key, last: '' });
    return true;
  }
}

/** The header with its path as `diffTar` writes it. */
function withPath(header: TarHeader, path: LayerPath): TarHeader {
  if (header.type === 'directory') return { ...header, path: Buffer.concat([path, Buffer.from('/')]) };
  return path === header.path ? header : { ...header, path };
}

/** One character a byte, so that comparing the texts compares the bytes. */
function keyOf(path: LayerPath): string {
  return path.toString('latin1');
}
