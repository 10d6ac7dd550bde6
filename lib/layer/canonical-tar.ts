/**
 * Whether an archive is, byte for byte, what `diffTar` makes of the files it becomes: then the files are kept alone.
 * Decided while the archive is read, and only where it is certain; what is not (deleted files, devices) is measured.
 */
import type { LayerPath } from './layer-path.js';
import { layerPath, pathMeaning } from './layer-path.js';
import { padding, type TarHeader } from './tar-entry.js';
import type { TarObserver } from './tar-reader.js';
import { encodeHeader, encodePadding, encodeTrailer } from './tar-writer.js';
import { isLayerXattr } from './xattr-policy.js';

/** Times every file system keeps as they are. */
const latestTime = 0x7fffffff;
/** No header is as long as this; what is longer follows the end. */
const longestGap = 4 * 1024 * 1024;

/** Watches one archive being parsed. */
export class CanonicalTar implements TarObserver {
  readonly #files = new Map<string, TarHeader>();
  /** The directories the last entry lies in, each with the name that came last in it. */
  readonly #open: { readonly path: string; last: string }[] = [{ path: '', last: '' }];
  #gap: Buffer[] = [];
  #gapBytes = 0;
  #padding = 0;
  #certain = true;

  raw(bytes: Buffer): void {
    if (!this.#certain) return;
    this.#gap.push(bytes);
    this.#gapBytes += bytes.length;
    if (this.#gapBytes > longestGap) this.#give();
  }

  entry(header: TarHeader, offset: number | undefined): void {
    if (!this.#certain) return;
    const expected = offset === undefined ? undefined : this.#expected(header);
    if (expected === undefined || !this.#gapIs(expected)) this.#give();
    this.#padding = header.size;
  }

  /** Asked after the end of the archive. */
  finish(): boolean {
    return this.#certain && this.#gapIs(encodeTrailer());
  }

  #give(): void {
    this.#certain = false;
    this.#gap = [];
    this.#files.clear();
  }

  #gapIs(expected: Buffer): boolean {
    const gap = Buffer.concat(this.#gap);
    this.#gap = [];
    this.#gapBytes = 0;
    const skipped = padding(this.#padding);
    return (
      gap.subarray(0, skipped).equals(encodePadding(this.#padding)) && gap.subarray(skipped).equals(expected)
    );
  }

  /** The header `diffTar` would write here, undefined where it writes none or another one. */
  #expected(header: TarHeader): Buffer | undefined {
    const { type, mtime } = header;
    const path = layerPath(header.path);
    if (path.length === 0 || pathMeaning(path).kind !== 'entry' || type === 'char' || type === 'block')
      return undefined;
    if (mtime.ns !== 0 || mtime.s < 0 || mtime.s > latestTime || header.major !== 0 || header.minor !== 0)
      return undefined;
    // the kernel gives every symbolic link the same mode
    if (type === 'symlink' && header.mode !== 0o777) return undefined;
    if (header.xattrs.size > 0 && !this.#keepsXattrs(header)) return undefined;
    if (!this.#inOrder(path, type === 'directory')) return undefined;
    if (type === 'link' ? !this.#isFirstName(header) : !this.#remember(path, header)) return undefined;
    const name = type === 'directory' ? Buffer.concat([path, Buffer.from('/')]) : path;
    return encodeHeader({ ...header, path: name });
  }

  #keepsXattrs({ type, xattrs }: TarHeader): boolean {
    return (type === 'file' || type === 'directory') && [...xattrs.keys()].every(isLayerXattr);
  }

  #remember(path: LayerPath, header: TarHeader): boolean {
    if (header.type !== 'directory') this.#files.set(keyOf(path), header);
    return true;
  }

  /** A further name has nothing of its own: it says what the first one says. */
  #isFirstName(header: TarHeader): boolean {
    const target = keyOf(layerPath(header.linkTarget));
    const first = this.#files.get(target);
    if (first === undefined || keyOf(header.linkTarget) !== target) return false;
    const { mode, uid, gid, mtime } = first;
    return header.mode === mode && header.uid === uid && header.gid === gid && header.mtime.s === mtime.s;
  }

  /** Directories before what is in them, names by their bytes, none twice: as a walk meets them. */
  #inOrder(path: LayerPath, directory: boolean): boolean {
    const key = keyOf(path);
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

/** One character a byte, so that comparing the texts compares the bytes. */
function keyOf(path: LayerPath): string {
  return path.toString('latin1');
}
