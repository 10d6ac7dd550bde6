/** Undoing and removing: trees leave their place by a rename and are removed from the trash afterwards. */
import { rmSync } from 'node:fs';
import { hasErrno, ioError } from '../errors.js';
import { moveToTrash } from '../host/trash.js';
import { releaseName } from './names.js';
import { type ContainerStores, containerPlaces } from './stores.js';

/** Takes a container that was not finished out of the store. */
export async function abandon(stores: ContainerStores, id: string, name: string): Promise<void> {
  const trash = moveToTrash(stores.paths, containerPlaces(stores, id).directory);
  releaseName(stores.paths, name, id);
  if (trash !== undefined) await removeTree(stores, trash);
}

/** Removes a tree below the store: by ourselves if all of it is ours, else by the agent. */
export async function removeTree(stores: Pick<ContainerStores, 'removeTree'>, path: string): Promise<void> {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (!hasErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw ioError(`remove ${path}`, error);
    await stores.removeTree(path);
  }
}
