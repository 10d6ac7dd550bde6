/** Containers and pods in the journal of events. */
import type { StorePaths } from '../host/paths.js';
import { journalFiles, writeEvent } from '../native/journal.js';
import type { EventsSpec } from '../sandbox/launch-spec.js';
import type { ContainerRecord } from './record.js';

type Subject = Pick<ContainerRecord, 'id' | 'name' | 'imageId' | 'imageReference' | 'labels' | 'options'>;

/** Writes what a command did with a container. */
export function writeContainerEvent(paths: StorePaths, status: string, record: Subject): void {
  writeEvent(paths, 'container', status, subjectOf(record));
}

/** What the native program needs to write what it sees. */
export function eventsSpec(paths: StorePaths, record: Subject): EventsSpec {
  return { ...journalFiles(paths), subject: JSON.stringify(subjectOf(record)).slice(1, -1) };
}

/** Labels beyond this many characters are left out: lines of the journal are short. */
const longest = 16_384;

function subjectOf({ id, name, imageId, imageReference, labels, options }: Subject) {
  const attributes = JSON.stringify(labels).length > longest ? {} : labels;
  // The native program writes of containers alone: whose events are a pod's is told by its holder.
  if (options.pod?.kind === 'holder') return { id, name, pod: true, attributes };
  return { id, name, image: imageReference ?? imageId, attributes };
}
