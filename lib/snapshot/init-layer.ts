/**
 * The lowest directory of every root file system: the places mounts go to, empty. An image that lacks /proc or /etc/hosts gets
 * them from here, so that nothing is ever made in a writable layer only to mount over it (S19).
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import type { StorePaths } from '../host/paths.js';
import { randomHex } from '../host/random.js';
import type { SnapshotRecord } from './record.js';
import type { SnapshotStore } from './snapshot-store.js';

const directories = ['dev', 'proc', 'sys', 'etc'];
const files = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf'];

/** The layer's directory, made whole when it is missing. */
export function initLayer(paths: StorePaths): string {
  const path = join(paths.snapshots, 'init');
  if (existsSync(path)) return path;
  const temporary = `${path}.${randomHex(6)}.tmp`;
  try {
    mkdirSync(temporary, { recursive: true, mode: 0o755 });
    for (const name of directories) mkdirSync(join(temporary, name), { mode: 0o755 });
    for (const name of files) writeFileSync(join(temporary, name), '', { mode: 0o644 });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    // Another process was first.
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST')) throw ioError(`create ${path}`, error);
  }
  return path;
}

/** The directories of a root file system below its writable one, topmost first; `top` is undefined where there are no layers. */
export function rootLayers(
  { paths, snapshots }: { readonly paths: StorePaths; readonly snapshots: Pick<SnapshotStore, 'layerPaths'> },
  top: SnapshotRecord | undefined,
): readonly string[] {
  return [...(top === undefined ? [] : snapshots.layerPaths(top)), initLayer(paths)];
}
