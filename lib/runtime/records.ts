/** What is recorded of a container, and what follows from it: its state is derived, never stored. */
import { existsSync, readdirSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { readBytes, readJson, writeFileAtomic } from '../host/files.js';
import { bootId } from '../host/process.js';
import { addon } from '../native/addon.js';
import { type BundleConfig, largestConfig, parseBundleConfig } from '../oci/bundle-config.js';
import {
  requireBoolean,
  requireObject,
  requireSize,
  requireString,
  requireStringMap,
} from '../oci/guards.js';
import { runtimeSpecVersion } from '../oci/runtime-config.js';
import { type ContainerPlaces, containerPlaces } from './places.js';

export type ContainerRecord = {
  readonly bundle: string;
  readonly rootfs: string;
  readonly pid: number;
  readonly startTicks: number;
  readonly boot: string;
  /** RFC 3339. */
  readonly created: string;
  /** Whether its processes have a pid namespace that ends with the first of them. */
  readonly ownPids: boolean;
  /** Inodes that tell which processes are its own. */
  readonly pidNamespace: number;
  readonly mountNamespace: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** Directory of its cgroup; empty where it has none. */
  readonly cgroup: string;
};

export type ContainerStatus = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

/** As `state` prints it. https://github.com/opencontainers/runtime-spec/blob/main/runtime.md#state */
export type ContainerState = {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: ContainerStatus;
  readonly pid: number;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations: Readonly<Record<string, string>>;
};

export function writeRecord(places: ContainerPlaces, record: ContainerRecord): void {
  writeFileAtomic(places.record, JSON.stringify({ version: 1, ...record }));
}

/** Undefined while the container is being created. @throws NOT_FOUND */
export function readRecord(places: ContainerPlaces): ContainerRecord | undefined {
  if (!existsSync(places.directory)) throw missing(places.id);
  const value = readJson(places.record, 1024 * 1024);
  if (value === undefined) return undefined;
  const where = `state of container ${places.id}`;
  const record = requireObject(value, where);
  const size = (name: string): number => requireSize(record[name], `${where}: ${name}`);
  const text = (name: string): string => requireString(record[name], `${where}: ${name}`);
  return {
    bundle: text('bundle'),
    rootfs: text('rootfs'),
    pid: size('pid'),
    startTicks: size('startTicks'),
    boot: text('boot'),
    created: text('created'),
    ownPids: requireBoolean(record.ownPids, `${where}: ownPids`),
    pidNamespace: size('pidNamespace'),
    mountNamespace: size('mountNamespace'),
    annotations: requireStringMap(record.annotations, `${where}: annotations`),
    cgroup: text('cgroup'),
  };
}

/** The words matter: podman looks for them to learn that a container is gone. */
function missing(id: string): CoracleError {
  return new CoracleError('NOT_FOUND', `find container ${id}: it does not exist`, { exitCode: 1 });
}

/** The configuration that the container was created with. */
export function readConfig(places: ContainerPlaces): BundleConfig {
  const bytes = readBytes(places.config, largestConfig);
  if (bytes === undefined) throw missing(places.id);
  return parseBundleConfig(bytes.toString(), `config of container ${places.id}`);
}

/** Whether its first process is there, zombies not counted. */
export function isRunning(record: ContainerRecord): boolean {
  return record.boot === bootId() && addon().pidfdAlive(record.pid, record.startTicks);
}

export function statusOf(places: ContainerPlaces, record: ContainerRecord | undefined): ContainerStatus {
  if (record === undefined) return 'creating';
  if (!isRunning(record)) return 'stopped';
  if (existsSync(places.gate)) return 'created';
  return existsSync(places.paused) ? 'paused' : 'running';
}

/** The state of a container. @throws NOT_FOUND */
export function containerState(places: ContainerPlaces): ContainerState {
  const record = readRecord(places);
  return stateOf(places, record, statusOf(places, record));
}

/** The state with a status that the caller knows. */
export function stateOf(
  places: ContainerPlaces,
  record: ContainerRecord | undefined,
  status: ContainerStatus,
): ContainerState {
  return {
    ociVersion: runtimeSpecVersion,
    id: places.id,
    status,
    pid: record === undefined || status === 'stopped' ? 0 : record.pid,
    bundle: record?.bundle ?? '',
    rootfs: record?.rootfs ?? '',
    created: record?.created ?? '',
    annotations: record?.annotations ?? {},
  };
}

/** The states of all, by name. */
export function listContainers(root: string): readonly ContainerState[] {
  return namesIn(root).flatMap((id) => {
    try {
      return [containerState(containerPlaces(root, id))];
    } catch (error) {
      // Deleted meanwhile.
      if (error instanceof CoracleError && error.code === 'NOT_FOUND') return [];
      throw error;
    }
  });
}

function namesIn(root: string): readonly string[] {
  try {
    return readdirSync(root).sort();
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw ioError(`list containers in ${root}`, error);
  }
}
