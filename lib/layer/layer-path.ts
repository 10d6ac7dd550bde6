/**
 * Paths of a changeset: relative to the layer's root, no `.` and no `..`; and the whiteout names among them.
 * https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts
 */
import { CoracleError } from '../errors.js';
import { defaultTarLimits, printablePath, type TarLimits } from './tar-entry.js';

/** A cleaned path, components joined by `/`; empty for the layer's root. */
export type LayerPath = Buffer;

const slash = 0x2f;
const dot = 0x2e;
/** The longest name Linux file systems take. */
const nameLimit = 255;

export const whiteoutPrefix = Buffer.from('.wh.');
/** AUFS's own bookkeeping, which Docker passes over; the opaque marker is the one exception. */
const bookkeepingPrefix = Buffer.from('.wh..wh.');
/** The marker that hides everything lower layers have in its directory. */
export const opaqueName = Buffer.from('.wh..wh..opq');

/** What an entry's name means. `path` of `opaque` is the directory, of `whiteout` the name that is gone. */
export type PathMeaning =
  | { readonly kind: 'entry'; readonly path: LayerPath }
  | { readonly kind: 'whiteout'; readonly path: LayerPath }
  | { readonly kind: 'opaque'; readonly path: LayerPath }
  | { readonly kind: 'bookkeeping' };

/**
 * Cleans a name of an archive: leading slashes and `.` go. Throws INVALID for `..`, for names and depths no file
 * system takes.
 */
export function layerPath(name: Buffer, limits: Pick<TarLimits, 'depth'> = defaultTarLimits): LayerPath {
  const start = withoutStart(name);
  if (isClean(start)) return start;
  const parts = components(name);
  if (parts.length > limits.depth) throw refused(name, `more than ${limits.depth} directories deep`);
  for (const part of parts) {
    if (part.length === 2 && part[0] === dot && part[1] === dot) throw refused(name, 'it has a .. component');
    if (part.length > nameLimit) throw refused(name, `a component is longer than ${nameLimit} bytes`);
  }
  return join(parts);
}

/** Tells whiteouts from entries. Throws INVALID for whiteouts without a usable name. */
export function pathMeaning(path: LayerPath): PathMeaning {
  if (!hasWhiteout(path)) return { kind: 'entry', path };
  const parts = components(path);
  if (startsWith(parts[0], bookkeepingPrefix) && !parts[0]?.equals(opaqueName))
    return { kind: 'bookkeeping' };
  const name = parts.pop();
  if (parts.some((part) => startsWith(part, whiteoutPrefix)))
    throw refused(path, 'a directory is named like a whiteout');
  if (!startsWith(name, whiteoutPrefix)) return { kind: 'entry', path };
  if (name?.equals(opaqueName)) return { kind: 'opaque', path: join(parts) };
  if (startsWith(name, bookkeepingPrefix)) return { kind: 'bookkeeping' };
  const hidden = name?.subarray(whiteoutPrefix.length) ?? Buffer.alloc(0);
  const text = hidden.toString('latin1');
  if (text === '' || text === '.' || text === '..')
    throw refused(path, `a whiteout for ${JSON.stringify(text)}`);
  return { kind: 'whiteout', path: join([...parts, hidden]) };
}

/** The path of the whiteout file that hides `path`. */
export function whiteoutOf(path: LayerPath): LayerPath {
  const cut = path.lastIndexOf(slash) + 1;
  return Buffer.concat([path.subarray(0, cut), whiteoutPrefix, path.subarray(cut)]);
}

/** The last component. */
export function baseName(path: LayerPath): Buffer {
  return path.subarray(path.lastIndexOf(slash) + 1);
}

/** True when the last component is reserved for whiteouts. */
export function isReservedName(path: LayerPath): boolean {
  return startsWith(baseName(path), whiteoutPrefix);
}

/** Drops the `./` and `/` most archives begin their names with. */
function withoutStart(name: Buffer): Buffer {
  let at = 0;
  while (at < name.length) {
    if (name[at] === slash) at++;
    else if (name[at] === dot && name[at + 1] === slash) at += 2;
    else break;
  }
  return at === 0 ? name : name.subarray(at);
}

/** Most names are clean already; this finds out without taking them apart. */
function isClean(name: Buffer): boolean {
  if (name.length === 0 || name.length > nameLimit) return false;
  for (let at = 0; at < name.length; at++) {
    if (at > 0 && name[at - 1] !== slash) continue;
    if (name[at] === slash) return false;
    const dots = name[at] !== dot ? 0 : name[at + 1] !== dot ? 1 : 2;
    if (dots > 0 && (at + dots === name.length || name[at + dots] === slash)) return false;
  }
  return name[name.length - 1] !== slash;
}

/** Whether a component begins like a whiteout. */
function hasWhiteout(path: Buffer): boolean {
  for (let at = 0; at < path.length; at++) {
    if (path[at] !== dot || path[at + 1] !== 0x77 || (at > 0 && path[at - 1] !== slash)) continue;
    if (path[at + 2] === 0x68 && path[at + 3] === dot) return true;
  }
  return false;
}

function components(name: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at <= name.length; ) {
    const found = name.indexOf(slash, at);
    const end = found < 0 ? name.length : found;
    const part = name.subarray(at, end);
    if (part.length > 0 && !(part.length === 1 && part[0] === dot)) parts.push(part);
    at = end + 1;
  }
  return parts;
}

function join(parts: readonly Buffer[]): LayerPath {
  return Buffer.concat(parts.flatMap((part, index) => (index === 0 ? [part] : [slashBytes, part])));
}

const slashBytes = Buffer.from('/');

function startsWith(name: Buffer | undefined, prefix: Buffer): boolean {
  return name?.subarray(0, prefix.length).equals(prefix) === true;
}

function refused(name: Buffer, reason: string): CoracleError {
  return new CoracleError('INVALID', `extract ${printablePath(name)}: ${reason}`, {
    hint: 'the layer is hostile or damaged; nothing of it was kept',
  });
}
