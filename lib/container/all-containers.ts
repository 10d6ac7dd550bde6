/** The containers of a root with those whose records a session does not see: transient ones and, from there, usual ones. */
import { basename, dirname, join } from 'node:path';
import type { StorePaths } from '../host/paths.js';
import { volumeRooms } from '../host/using-roots.js';
import { ContainerStore } from './container-store.js';
import type { ContainerView } from './view.js';

/** All containers that may have a volume of this root, or files in it. */
export function allContainers(paths: StorePaths): readonly ContainerView[] {
  return volumeRooms(paths).flatMap((containers) =>
    new ContainerStore({ ...paths, containers, names: join(containers, '.names') }).list(),
  );
}

/** The names of volumes that some container has. */
export function volumesInUse(paths: StorePaths): ReadonlySet<string> {
  return new Set(allContainers(paths).flatMap(({ record }) => record.volumes.map(({ name }) => name)));
}

/** Whether the session with these paths does not see a container's record. */
export function isElsewhere({ containers }: StorePaths, { directory }: ContainerView): boolean {
  return dirname(directory) !== containers;
}

/** Where what a container wrote lies, whoever sees its record. */
export function filesOf({ root, transientLayers }: StorePaths, { record, directory }: ContainerView): string {
  if (directory.startsWith(`${root}/`)) return directory;
  const transient = dirname(dirname(directory));
  return join(transientLayers, basename(transient), record.id);
}
