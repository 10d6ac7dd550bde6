/** The files in a container's directory as values: container.json (ours), `live` and `exit` (the supervisor's). */
import { existsSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { readBytes, readJson, writeFileAtomic } from '../host/files.js';
import {
  invalid,
  optional,
  parseJson,
  requireBoolean,
  requireInteger,
  requireObject,
  requireString,
  requireStrings,
} from '../oci/guards.js';
import { parseSnapshotId } from '../snapshot/record.js';
import type { ContainerRecord } from './record.js';
import type { ExitRecord, LiveRecord } from './view.js';

/**
 * container.json of a container directory, undefined when it is missing (being made, or a leftover) or was lost in a
 * power failure.
 * @throws INVALID when somebody changed it into what it cannot be.
 */
export function readContainerRecord(directory: string): ContainerRecord | undefined {
  const path = `${directory}/container.json`;
  const bytes = readBytes(path);
  return bytes?.[0] === openingBrace
    ? parseContainerRecord(parseJson(bytes.toString(), path), path)
    : undefined;
}

/** Whether a directory is a finished container. A file that a power failure emptied is no record. */
export function hasContainerRecord(directory: string): boolean {
  return readBytes(`${directory}/container.json`)?.[0] === openingBrace;
}

const openingBrace = 0x7b;

export function writeContainerRecord(directory: string, record: ContainerRecord): void {
  writeFileAtomic(`${directory}/container.json`, JSON.stringify(record));
}

/** Checks what paths and decisions are made of; the rest was written by us in a directory nobody else can write. */
function parseContainerRecord(value: unknown, where: string): ContainerRecord {
  const record = requireObject(value, where);
  if (record.version !== 1)
    throw invalid(`${where}: version`, `${JSON.stringify(record.version)}, expected 1`);
  if (!/^[0-9a-f]{64}$/.test(requireString(record.id, `${where}: id`)))
    throw invalid(`${where}: id`, 'not an id');
  for (const name of ['name', 'created', 'imageId', 'driver', 'hostname', 'network']) {
    requireString(record[name], `${where}: ${name}`);
  }
  for (const name of ['options', 'process', 'labels']) requireObject(record[name], `${where}: ${name}`);
  requireStrings(requireObject(record.process, where).args, `${where}: process.args`);
  requireBoolean(record.autoRemove, `${where}: autoRemove`);
  optional(record.snapshot, `${where}: snapshot`, parseSnapshotId);
  return record as unknown as ContainerRecord;
}

/** The supervisor writes without waiting for the disk: what a power failure tore is as good as missing. */
function readUnlessTorn(path: string): unknown {
  try {
    return readJson(path);
  } catch (error) {
    if (error instanceof CoracleError && error.code === 'INVALID') return undefined;
    throw error;
  }
}

/** Who runs the container, by its supervisor's word. */
export function readLive(directory: string): LiveRecord | undefined {
  const path = `${directory}/live`;
  const value = readUnlessTorn(path);
  if (value === undefined) return undefined;
  const record = requireObject(value, path);
  return {
    supervisor: requireInteger(record.sv, `${path}: sv`),
    supervisorStart: requireInteger(record.svStart, `${path}: svStart`),
    boot: requireString(record.boot, `${path}: boot`),
    pid: requireInteger(record.pid, `${path}: pid`),
    pidStart: requireInteger(record.pidStart, `${path}: pidStart`),
    started: requireString(record.started, `${path}: started`),
    restarts: requireInteger(record.restarts, `${path}: restarts`),
    paused: record.paused === 1,
    cgroup: typeof record.cgroup === 'string' && record.cgroup !== '' ? record.cgroup : undefined,
  };
}

/** How the container ended. */
export function readExit(directory: string): ExitRecord | undefined {
  const path = `${directory}/exit`;
  // Of what runs there is none: an error for each of a hundred containers costs more than a look.
  const value = existsSync(path) ? readUnlessTorn(path) : undefined;
  return value === undefined ? undefined : parseExit(value, path);
}

/** An exit record, from its file or the frame that carries the same text. */
export function parseExit(value: unknown, where: string): ExitRecord {
  const record = requireObject(value, where);
  return {
    code: requireInteger(record.code, `${where}: code`),
    signal: requireInteger(record.signal, `${where}: signal`),
    oom: record.oom === 1 || record.oom === true,
    error: requireString(record.error ?? '', `${where}: error`),
    stage: requireString(record.stage ?? '', `${where}: stage`),
    errno: requireInteger(record.errno ?? 0, `${where}: errno`),
    started: requireString(record.started ?? '', `${where}: started`),
    finished: requireString(record.finished ?? '', `${where}: finished`),
    restarts: requireInteger(record.restarts ?? 0, `${where}: restarts`),
    stopped: record.stopped === 1 || record.stopped === true,
  };
}

/** Writes the exit record that a lost supervisor could not. */
export function writeExit(directory: string, exit: ExitRecord): void {
  const text = JSON.stringify({ v: 1, ...exit, oom: exit.oom ? 1 : 0 });
  writeFileAtomic(`${directory}/exit`, `${text}\n`);
}
