/** Signals, standing still, and the end of a container. */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CoracleError } from '../errors.js';
import { writeFileAtomic } from '../host/files.js';
import { addon } from '../native/addon.js';
import { holdLock } from '../native/lock.js';
import { freezeCgroup, killCgroup, removeCgroup } from './cgroup-files.js';
import { runAllHooks } from './hooks.js';
import { type ContainerPlaces, containerPlaces } from './places.js';
import { containerProcesses } from './processes.js';
import { type ContainerRecord, isRunning, readConfig, readRecord, stateOf, statusOf } from './records.js';

/** Sends the signal to the first process, with `all` to every one. False when nobody was there. */
export function signalContainer(record: ContainerRecord, signal: number, all: boolean): boolean {
  const first = isRunning(record) && addon().killChecked(record.pid, record.startTicks, signal);
  if (!all) return first;
  if (signal === 9 && record.cgroup !== '') killCgroup(record.cgroup);
  // With the first process of its pid namespace all others end.
  const others = first && signal === 9 && record.ownPids ? [] : containerProcesses(record);
  const reached = others
    .filter(({ pid }) => pid !== record.pid)
    .map(({ pid, startTicks }) => addon().killChecked(pid, startTicks, signal));
  return first || reached.includes(true);
}

/** @throws CONFLICT when it does not run, NOT_FOUND when there is none. */
export function killContainer(root: string, id: string, signal: number, all: boolean): void {
  const places = containerPlaces(root, id);
  const record = readRecord(places);
  if (record !== undefined && signalContainer(record, signal, all)) return;
  if (record !== undefined && all) return; // whoever asks for the end of all has it
  throw new CoracleError('CONFLICT', `kill container ${id}: container not running`, { exitCode: 1 });
}

/**
 * Removes what is left of a container that stopped, with `force` of any; also where there is none then. What hooks said.
 * @throws IN_USE when it runs and `force` is not given.
 */
export async function deleteContainer(root: string, id: string, force: boolean): Promise<readonly string[]> {
  const places = containerPlaces(root, id);
  let record: ContainerRecord | undefined;
  try {
    record = readRecord(places);
  } catch (error) {
    if (force && error instanceof CoracleError && error.code === 'NOT_FOUND') return [];
    throw error;
  }
  // Who holds the lock may be waiting for a hook of this very container.
  if (force && record !== undefined) signalContainer(record, 9, true);
  const lock = holdLock(places.lock, { wait: true });
  try {
    const status = statusOf(places, readRecord(places));
    if (status === 'running' || status === 'paused') {
      if (!force) throw inUse(id, status);
    }
    if (record !== undefined) await end(record, id);
    return await remove(places, record);
  } finally {
    lock?.release();
  }
}

function inUse(id: string, status: string): CoracleError {
  return new CoracleError('IN_USE', `delete container ${id}: it is ${status}, not stopped`, {
    hint: 'kill it first, or delete --force',
    exitCode: 1,
  });
}

const patience = 10_000;

async function end(record: ContainerRecord, id: string): Promise<void> {
  signalContainer(record, 9, true);
  for (const deadline = Date.now() + patience; isRunning(record); await sleep(5)) {
    if (Date.now() > deadline)
      throw new CoracleError('IN_USE', `delete container ${id}: its process does not end`);
  }
}

async function remove(
  places: ContainerPlaces,
  record: ContainerRecord | undefined,
): Promise<readonly string[]> {
  const hooks = record === undefined ? undefined : readConfig(places).hooks;
  if (record !== undefined && record.cgroup !== '') await removeCgroup(record.cgroup);
  rmSync(places.directory, { recursive: true, force: true });
  return hooks === undefined ? [] : runAllHooks(hooks, 'poststop', stateOf(places, record, 'stopped'));
}

/** Has all its processes stand still, whatever they start meanwhile. @throws CONFLICT, UNSUPPORTED */
export async function pauseContainer(root: string, id: string): Promise<void> {
  const places = containerPlaces(root, id);
  const record = requireStatus(places, 'running', 'pause');
  if (record.cgroup !== '') {
    await freezeCgroup(record.cgroup, true);
    return writeFileAtomic(places.paused, '');
  }
  if (!record.ownPids)
    throw new CoracleError('UNSUPPORTED', `pause container ${id}: it has no cgroup and no pid namespace`);
  writeFileAtomic(places.paused, '');
  for (const deadline = Date.now() + patience; ; await sleep(5)) {
    const moving = containerProcesses(record).filter(({ state }) => !'TtZX'.includes(state));
    if (moving.length === 0) return;
    for (const { pid, startTicks } of moving) addon().killChecked(pid, startTicks, 19);
    if (Date.now() < deadline) continue;
    await resume(places, record);
    throw new CoracleError('IN_USE', `pause container ${id}: some of its processes do not stop`);
  }
}

/** Lets them go on. @throws CONFLICT */
export async function resumeContainer(root: string, id: string): Promise<void> {
  const places = containerPlaces(root, id);
  await resume(places, requireStatus(places, 'paused', 'resume'));
}

async function resume(places: ContainerPlaces, record: ContainerRecord): Promise<void> {
  if (record.cgroup !== '') await freezeCgroup(record.cgroup, false);
  else for (const { pid, startTicks } of containerProcesses(record)) addon().killChecked(pid, startTicks, 18);
  rmSync(places.paused, { force: true });
}

function requireStatus(places: ContainerPlaces, wanted: string, verb: string): ContainerRecord {
  const record = readRecord(places);
  const status = statusOf(places, record);
  if (record !== undefined && status === wanted) return record;
  throw new CoracleError('CONFLICT', `${verb} container ${places.id}: it is ${status}, not ${wanted}`);
}
