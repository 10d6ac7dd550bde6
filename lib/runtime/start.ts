/** The word that a created container waits for. */
import { rmSync, statSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { openGate, type Warning } from '../native/bundle.js';
import { holdLock } from '../native/lock.js';
import { texts } from './create.js';
import { runHooks } from './hooks.js';
import { signalContainer } from './kill.js';
import { type ContainerPlaces, containerPlaces } from './places.js';
import { type ContainerRecord, readConfig, readRecord, stateOf, statusOf, writeRecord } from './records.js';

/**
 * Starts it, and returns once its program is executed: what could not be applied.
 * @throws CONFLICT when it does not wait for this; START when the program could not be executed.
 */
export function startContainer(root: string, id: string): readonly string[] {
  const places = containerPlaces(root, id);
  // A container that is not there has no directory to lock in.
  readRecord(places);
  const lock = holdLock(places.lock, { wait: true });
  try {
    const record = requireCreated(places);
    const warnings = knock(places);
    noteNamespaces(places, record);
    runPoststart(places, record);
    return texts(warnings);
  } finally {
    lock?.release();
  }
}

function requireCreated(places: ContainerPlaces): ContainerRecord {
  const record = readRecord(places);
  const status = statusOf(places, record);
  if (record !== undefined && status === 'created') return record;
  throw new CoracleError('CONFLICT', `start container ${places.id}: it is ${status}, not created`);
}

function knock(places: ContainerPlaces): readonly Warning[] {
  try {
    return openGate(places.gate);
  } catch (error) {
    if (!hasErrno(error, 'ECONNREFUSED', 'ECONNRESET')) throw error;
    throw new CoracleError('CONFLICT', `start container ${places.id}: it is not waiting any more`);
  } finally {
    rmSync(places.gate, { force: true });
  }
}

/** Known only from now on: until it executed something nobody could look at it. */
function noteNamespaces(places: ContainerPlaces, record: ContainerRecord): void {
  const inode = (name: string): number => statSync(`/proc/${record.pid}/ns/${name}`).ino;
  try {
    writeRecord(places, { ...record, pidNamespace: inode('pid'), mountNamespace: inode('mnt') });
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) throw ioError('read namespaces', error);
  }
}

/** A container whose hooks fail is not to stay. */
function runPoststart(places: ContainerPlaces, record: ContainerRecord): void {
  const { hooks } = readConfig(places);
  try {
    runHooks(hooks, 'poststart', stateOf(places, record, 'running'));
  } catch (error) {
    signalContainer(record, 9, true);
    throw error;
  }
}
