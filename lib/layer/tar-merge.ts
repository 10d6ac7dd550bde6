/**
 * What a header block means once the extended headers before it are applied, in the order Go's archive/tar
 * uses, because the images of the world are read by it: PAX records first, GNU long names over them.
 */
import { CoracleError } from '../errors.js';
import { sparseMapKey, xattrPrefix } from './pax.js';
import { printablePath, type TarHeader, type TarLimits, type TarType } from './tar-entry.js';
import type { RawHeader } from './tar-header.js';
import { parseDecimal, parsePaxTime } from './tar-numbers.js';

/** Extended headers seen since the last entry. */
export type Pending = {
  records: ReadonlyMap<string, Buffer>;
  longName: Buffer | undefined;
  longLink: Buffer | undefined;
};

/** Nothing pending. */
export function nothingPending(): Pending {
  return { records: new Map(), longName: undefined, longLink: undefined };
}

const types: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
};

const noBytes = Buffer.alloc(0);
const noXattrs: ReadonlyMap<string, Buffer> = new Map();
/** The largest id Linux can give a file; the one above it means "no change" to chown. */
const maximumId = 0xfffffffe;

/** The entry, with `size` as the bytes stored in the archive (a sparse map changes it later). Throws INVALID. */
export function mergeHeader(raw: RawHeader, pending: Pending, limits: TarLimits): TarHeader {
  const { records } = pending;
  const sparseName = sparseFormat(records) === undefined ? undefined : recordOf(records, 'GNU.sparse.name');
  const path = nonEmpty(pending.longName) ?? sparseName ?? recordOf(records, 'path') ?? raw.name;
  const linkTarget = nonEmpty(pending.longLink) ?? recordOf(records, 'linkpath') ?? raw.linkName;
  const size = sizeOf(records, raw.size);
  const type = typeOf(raw.flag, path);
  checkName(path, 'name', limits);
  checkName(linkTarget, 'link target', limits);
  const mtime = recordOf(records, 'mtime');
  return {
    path,
    type,
    mode: raw.mode & 0o7777,
    uid: idOf(records, 'uid', raw.uid, path),
    gid: idOf(records, 'gid', raw.gid, path),
    size: type === 'file' ? size : 0,
    mtime: mtime === undefined ? { s: raw.mtime, ns: 0 } : parsePaxTime(mtime, 'mtime'),
    linkTarget: type === 'symlink' || type === 'link' ? linkTarget : noBytes,
    xattrs: xattrsOf(records, limits, path),
    major: raw.major,
    minor: raw.minor,
  };
}

/** A record's value; an empty one means the record is taken back. */
function recordOf(records: ReadonlyMap<string, Buffer>, key: string): Buffer | undefined {
  return nonEmpty(records.get(key));
}

function nonEmpty(value: Buffer | undefined): Buffer | undefined {
  return value === undefined || value.length === 0 ? undefined : value;
}

/**
 * Which of PAX's forms of sparse files the records speak of: where the map is; undefined for none.
 * @throws INVALID for a version that is none: Go takes the stored bytes for the content then, others do not
 */
export function sparseFormat(records: ReadonlyMap<string, Buffer>): 'records' | 'content' | undefined {
  const [major, minor] = ['major', 'minor'].map((key) =>
    recordOf(records, `GNU.sparse.${key}`)?.toString('latin1'),
  );
  if (major === undefined && minor === undefined)
    return recordOf(records, sparseMapKey) === undefined ? undefined : 'records';
  if (major === '0' && (minor === '0' || minor === '1')) return 'records';
  if (major === '1' && minor === '0') return 'content';
  const shown = JSON.stringify(`${major}.${minor}`.slice(0, 20));
  throw new CoracleError('INVALID', `read tar: sparse format ${shown} is unknown`);
}

function typeOf(flag: string, path: Buffer): TarType {
  const type = Object.hasOwn(types, flag) ? types[flag] : undefined;
  if (type === undefined) {
    throw new CoracleError(
      'INVALID',
      `read tar entry ${printablePath(path)}: type ${JSON.stringify(flag)} is unknown`,
    );
  }
  // archives older than POSIX mark directories by a trailing slash only
  return flag === '\0' && path[path.length - 1] === 0x2f ? 'directory' : type;
}

function checkName(name: Buffer, what: string, limits: TarLimits): void {
  if (name.length > limits.path) {
    const shown = printablePath(name);
    throw new CoracleError('INVALID', `read tar entry ${shown}: ${what} is longer than ${limits.path} bytes`);
  }
  if (name.includes(0))
    throw new CoracleError('INVALID', `read tar entry ${printablePath(name)}: ${what} holds a NUL`);
}

function idOf(records: ReadonlyMap<string, Buffer>, key: 'uid' | 'gid', raw: number, path: Buffer): number {
  const value = recordOf(records, key);
  const id = value === undefined ? raw : parseDecimal(value, key);
  if (id < 0 || id > maximumId) {
    throw new CoracleError('INVALID', `read tar entry ${printablePath(path)}: ${key} ${id} is out of range`);
  }
  return id;
}

function sizeOf(records: ReadonlyMap<string, Buffer>, raw: number): number {
  const value = recordOf(records, 'size');
  const size = value === undefined ? raw : parseDecimal(value, 'size');
  if (size < 0) throw new CoracleError('INVALID', `read tar header: size ${size} is negative`);
  return size;
}

function xattrsOf(
  records: ReadonlyMap<string, Buffer>,
  limits: TarLimits,
  path: Buffer,
): ReadonlyMap<string, Buffer> {
  let xattrs: Map<string, Buffer> | undefined;
  for (const [key, value] of records) {
    if (!key.startsWith(xattrPrefix)) continue;
    if (value.length > limits.xattr) {
      const shown = printablePath(path);
      throw new CoracleError(
        'INVALID',
        `read tar entry ${shown}: an attribute is larger than ${limits.xattr} bytes`,
      );
    }
    xattrs ??= new Map();
    xattrs.set(key.slice(xattrPrefix.length), value);
  }
  return xattrs ?? noXattrs;
}
