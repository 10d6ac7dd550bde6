/**
 * What one tar entry does to a layer's directory, decided without touching it (native.md S24 to S26).
 */
import { CoracleError } from '../errors.js';
import { type LayerPath, layerPath, pathMeaning } from './layer-path.js';
import {
  defaultTarLimits,
  printablePath,
  type TarHeader,
  type TarLimits,
  type TarTime,
} from './tar-entry.js';
import { isLayerXattr } from './xattr-policy.js';

/** Attributes an entry gets. */
export type LayerMeta = {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: TarTime;
};

type Named = { readonly path: LayerPath; readonly meta: LayerMeta };

/** Attributes that need an operation of their own. */
export type Xattr = { readonly name: string; readonly value: Buffer };

/** One change to a layer. `skip` is no change: its reason, if any, is worth a warning. */
export type LayerAction =
  | { readonly kind: 'whiteout'; readonly path: LayerPath }
  | { readonly kind: 'opaque'; readonly path: LayerPath }
  | ({ readonly kind: 'directory'; readonly xattrs: readonly Xattr[] } & Named)
  | ({ readonly kind: 'file'; readonly size: number; readonly xattrs: readonly Xattr[] } & Named)
  | ({ readonly kind: 'symlink'; readonly target: Buffer } & Named)
  | { readonly kind: 'link'; readonly path: LayerPath; readonly existing: LayerPath }
  | ({ readonly kind: 'fifo' } & Named)
  | ({
      readonly kind: 'device';
      readonly type: 'char' | 'block';
      readonly major: number;
      readonly minor: number;
    } & Named)
  | { readonly kind: 'skip'; readonly path: LayerPath; readonly reason?: string };

/** Whether an id exists in the container's user namespace. */
export type IdCheck = (kind: 'uid' | 'gid', id: number) => boolean;

/** The change an entry asks for. Throws INVALID for what no honest layer holds. */
export function layerAction(
  header: TarHeader,
  isMapped: IdCheck,
  limits: TarLimits = defaultTarLimits,
): LayerAction {
  const meaning = pathMeaning(layerPath(header.path, limits));
  switch (meaning.kind) {
    case 'whiteout':
    case 'opaque':
      return meaning;
    case 'bookkeeping':
      return { kind: 'skip', path: header.path };
    case 'entry':
      return entryAction(header, meaning.path, isMapped, limits);
  }
}

function entryAction(header: TarHeader, path: LayerPath, isMapped: IdCheck, limits: TarLimits): LayerAction {
  const { type } = header;
  if (path.length === 0 && type !== 'directory')
    throw refused(header, `the layer's root cannot be a ${type}`);
  if (type === 'link') return { kind: 'link', path, existing: linkedPath(header, path, limits) };
  checkIds(header, isMapped);
  const { mode, uid, gid, mtime } = header;
  const meta = { mode, uid, gid, mtime };
  switch (type) {
    case 'directory':
      return { kind: 'directory', path, meta, xattrs: keptXattrs(header) };
    case 'file':
      return { kind: 'file', path, meta, size: header.size, xattrs: keptXattrs(header) };
    case 'symlink':
      if (header.linkTarget.length === 0) throw refused(header, 'a symbolic link without a target');
      return { kind: 'symlink', path, meta, target: header.linkTarget };
    case 'fifo':
      return { kind: 'fifo', path, meta };
    case 'char':
    case 'block': {
      const { major, minor } = header;
      // this is how a storage driver marks a deleted file
      if (type === 'char' && major === 0 && minor === 0)
        throw refused(header, 'a device 0:0 would forge a whiteout');
      return { kind: 'device', path, meta, type, major, minor };
    }
  }
}

function linkedPath(header: TarHeader, path: LayerPath, limits: TarLimits): LayerPath {
  const existing = layerPath(header.linkTarget, limits);
  if (existing.length === 0) throw refused(header, 'a hard link without a target');
  if (existing.equals(path)) throw refused(header, 'a hard link to itself');
  if (pathMeaning(existing).kind !== 'entry') throw refused(header, 'a hard link to a whiteout');
  return existing;
}

const idKinds = ['uid', 'gid'] as const;

function checkIds(header: TarHeader, isMapped: IdCheck): void {
  for (const kind of idKinds) {
    if (isMapped(kind, header[kind])) continue;
    throw new CoracleError(
      'HOST',
      `extract ${printablePath(header.path)}: ${kind} ${header[kind]} is not in this user's subordinate ids`,
      { hint: `give the user a larger range in /etc/sub${kind}` },
    );
  }
}

function keptXattrs(header: TarHeader): readonly Xattr[] {
  if (header.xattrs.size === 0) return noXattrs;
  return [...header.xattrs].filter(([name]) => isLayerXattr(name)).map(([name, value]) => ({ name, value }));
}

const noXattrs: readonly Xattr[] = [];

function refused(header: TarHeader, reason: string): CoracleError {
  return new CoracleError('INVALID', `extract ${printablePath(header.path)}: ${reason}`, {
    hint: 'the layer is hostile or damaged; nothing of it was kept',
  });
}
