/** Giving a container another name. */
import { CoracleError } from '../errors.js';
import { readReservation, releaseName, reserveName } from './names.js';
import { readContainerRecord, writeContainerRecord } from './records.js';
import type { ContainerStores } from './stores.js';
import type { ContainerView } from './view.js';

/**
 * The new name is taken before the old one is given back: killed in between, the container has one more name, which
 * its removal gives back.
 * @throws CONFLICT when another container has the name, USAGE when it is none.
 */
export function renameContainer(
  stores: Pick<ContainerStores, 'paths'>,
  { record, directory }: ContainerView,
  name: string,
): void {
  if (name === record.name) {
    throw new CoracleError('CONFLICT', `rename container ${record.name}: that is its name already`);
  }
  if (readReservation(stores.paths, name)?.id !== record.id) reserveName(stores.paths, record.id, name);
  const current = readContainerRecord(directory);
  if (current === undefined) {
    releaseName(stores.paths, name, record.id);
    throw new CoracleError('NOT_FOUND', `rename container ${record.name}: it is gone`);
  }
  writeContainerRecord(directory, { ...current, name });
  releaseName(stores.paths, current.name, record.id);
}
