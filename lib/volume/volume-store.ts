/**
 * Volumes: `volumes/<name>/_data`, a directory that outlives containers. A volume is made when it is first used; one
 * without a name belongs to its container and is recorded as anonymous.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { randomHex } from '../host/random.js';
import { moveToTrash } from '../host/trash.js';
import { writeEvent } from '../native/journal.js';
import { requireBoolean, requireObject, requireString } from '../oci/guards.js';

/** volume.json. */
export type VolumeRecord = {
  readonly version: 1;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  readonly anonymous: boolean;
};

/** A volume on disk. */
export type Volume = VolumeRecord & { readonly directory: string; readonly data: string };

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export class VolumeStore {
  readonly #paths: StorePaths;

  constructor(paths: StorePaths) {
    this.#paths = paths;
  }

  /** The volume of this name, made if there is none. Two processes may do so at once. */
  ensure(name: string, options: { readonly anonymous?: boolean } = {}): Volume {
    const found = this.get(name);
    if (found !== undefined) return found;
    const directory = this.#directory(name);
    const record: VolumeRecord = {
      version: 1,
      name,
      created: new Date().toISOString(),
      anonymous: options.anonymous ?? false,
    };
    ensureDirectory(this.#paths.volumes);
    makeDirectory(directory, 0o700);
    makeDirectory(join(directory, '_data'), 0o755);
    writeFileAtomic(join(directory, 'volume.json'), JSON.stringify(record));
    writeEvent(this.#paths, 'volume', 'create', { name });
    return { ...record, directory, data: join(directory, '_data') };
  }

  /** A name for a volume that has none. */
  anonymousName(): string {
    return randomHex(32);
  }

  /** The volume of this name; undefined when there is none or it was not finished. */
  get(name: string): Volume | undefined {
    const directory = this.#directory(name);
    const path = join(directory, 'volume.json');
    const value = readJson(path);
    return value === undefined
      ? undefined
      : { ...parseVolume(value, path), directory, data: join(directory, '_data') };
  }

  list(): readonly Volume[] {
    return this.#names()
      .map((name) => this.get(name))
      .filter((volume) => volume !== undefined);
  }

  /** Takes a volume out of the store; returns where its tree lies in the trash, undefined when there was none. */
  detach(name: string): string | undefined {
    const trash = moveToTrash(this.#paths, this.#directory(name));
    if (trash !== undefined) writeEvent(this.#paths, 'volume', 'remove', { name });
    return trash;
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#paths.volumes).filter((name) => namePattern.test(name));
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return [];
      throw ioError(`read ${this.#paths.volumes}`, error);
    }
  }

  #directory(name: string): string {
    if (namePattern.test(name) && name.length <= 255) return join(this.#paths.volumes, name);
    throw new CoracleError('USAGE', `open volume "${name}": not a volume name`);
  }
}

/** Whether nothing is in a volume's data directory yet. */
export function isEmptyDirectory(path: string): boolean {
  try {
    return readdirSync(path).length === 0;
  } catch (error) {
    // What belongs to ids of the container may be closed to us: then somebody has written to it.
    if (hasErrno(error, 'EACCES', 'EPERM')) return false;
    throw ioError(`read ${path}`, error);
  }
}

function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw ioError(`create directory ${path}`, error);
  }
}

function parseVolume(value: unknown, where: string): VolumeRecord {
  const { name, created, anonymous } = requireObject(value, where);
  return {
    version: 1,
    name: requireString(name, `${where}: name`),
    created: requireString(created, `${where}: created`),
    anonymous: requireBoolean(anonymous, `${where}: anonymous`),
  };
}
