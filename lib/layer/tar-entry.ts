/**
 * What a tar archive says, as values: names are bytes, times keep their nanoseconds, and every number has
 * been checked. Terms follow https://github.com/opencontainers/image-spec/blob/main/layer.md.
 */

/** The kinds of entries a file-system changeset can hold. `link` is a hard link. */
export type TarType = 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'char' | 'block';

/** Seconds since 1970 (negative before it) and the nanoseconds after that second, 0 to 999,999,999. */
export type TarTime = { readonly s: number; readonly ns: number };

/** One entry without its content. */
export type TarHeader = {
  /** As written in the archive, neither cleaned nor judged. */
  readonly path: Buffer;
  readonly type: TarType;
  /** Permission bits; the writer takes up to 21 bits, so that type bits of older Docker layers can be kept. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content, holes included; 0 for everything but files. */
  readonly size: number;
  readonly mtime: TarTime;
  /** Target of a symbolic or hard link, else empty. */
  readonly linkTarget: Buffer;
  readonly xattrs: ReadonlyMap<string, Buffer>;
  readonly major: number;
  readonly minor: number;
};

/** One entry with its content, which must be read (or left) before the next entry is asked for. */
export type TarEntry = TarHeader & { content(): AsyncIterable<Buffer> };

/** Bounds of what an archive may ask for; native.md S23. */
export type TarLimits = {
  readonly entries: number;
  /** Bytes of one path or link target. */
  readonly path: number;
  /** Bytes of one PAX or GNU long-name header. */
  readonly header: number;
  /** Bytes of one extended attribute's value. */
  readonly xattr: number;
  /** Components of one path. */
  readonly depth: number;
  /** Bytes of content of all files together, holes included, and of the decompressed stream. */
  readonly bytes: number;
  /** How many times larger than its compressed form a stream may get, once it is past `ratioAfter` bytes. */
  readonly ratio: number;
  readonly ratioAfter: number;
};

/** The limits used where a caller names none. */
export const defaultTarLimits: TarLimits = {
  entries: 4_000_000,
  path: 4096,
  header: 1024 * 1024,
  xattr: 64 * 1024,
  depth: 256,
  bytes: 64 * 1024 ** 3,
  ratio: 200,
  ratioAfter: 64 * 1024 ** 2,
};

/** Size of a tar block, of headers and of the padding of contents. */
export const blockSize = 512;

/** Bytes up to the next block boundary after `size` bytes. */
export function padding(size: number): number {
  return (blockSize - (size % blockSize)) % blockSize;
}

/** A path or link target as text for messages: valid UTF-8 stays, control characters are escaped. */
export function printablePath(path: Uint8Array): string {
  const text = Buffer.from(path.subarray(0, 300)).toString('utf8');
  // biome keeps control characters out of expressions, so they are found by their code points
  let printable = '';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    printable += control ? `\\x${code.toString(16).padStart(2, '0')}` : character;
  }
  return path.length > 300 ? `${printable}...` : printable;
}
