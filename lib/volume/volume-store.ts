/**
 * Volumes: `volumes/<name>/_data`, a directory that outlives containers. A volume is made when it is first used, or by
 * `volume create`; one without a name belongs to its container and is recorded as anonymous. It is there as soon as its
 * record is, which appears whole and only once.
 */
import { linkSync, mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { ensureDirectory, namesIn, readJson, writeFileAtomic } from '../host/files.js';
import type { StorePaths } from '../host/paths.js';
import { randomHex } from '../host/random.js';
import { moveToTrash } from '../host/trash.js';
import { writeEvent } from '../native/journal.js';
import { spreadChildren } from '../native/sync.js';
import { type NewVolume, newVolumeRecord, parseVolumeRecord, type VolumeRecord } from './volume-record.js';

/** A volume on disk. */
export type Volume = VolumeRecord & { readonly directory: string; readonly data: string };

/** A volume that has its directories, and no record yet. */
export type UnfinishedVolume = Pick<Volume, 'name' | 'directory' | 'data'>;

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

export class VolumeStore {
  readonly #paths: StorePaths;

  constructor(paths: StorePaths) {
    this.#paths = paths;
  }

  /** The volume of this name, made if there is none. Two processes may do so at once. */
  ensure(name: string, request: NewVolume = {}): Volume {
    const found = this.get(name);
    if (found !== undefined) return found;
    const begun = this.begin(name);
    return this.finish(begun, request) ?? this.#require(name);
  }

  /** The directories of a volume that is to be made. */
  begin(name: string): UnfinishedVolume {
    const directory = this.#directory(name);
    ensureDirectory(this.#paths.volumes);
    // What fills it is often as many files as were just removed with another one.
    spreadChildren(this.#paths.volumes);
    makeDirectory(directory, 0o700);
    makeDirectory(join(directory, '_data'), 0o755);
    return { name, directory, data: join(directory, '_data') };
  }

  /** Makes a begun volume one; undefined when somebody else was faster: then it is theirs. */
  finish({ name, directory, data }: UnfinishedVolume, request: NewVolume): Volume | undefined {
    const record = newVolumeRecord(name, request);
    const temporary = join(directory, `record.${randomHex(6)}`);
    try {
      writeFileAtomic(temporary, JSON.stringify(record));
      linkSync(temporary, join(directory, 'volume.json'));
    } catch (error) {
      if (hasErrno(error, 'EEXIST')) return undefined;
      throw ioError(`create volume ${name}`, error);
    } finally {
      rmSync(temporary, { force: true });
    }
    writeEvent(this.#paths, 'volume', 'create', { name });
    return { ...record, directory, data };
  }

  /** Takes away the directories of one that could not be made, unless it has become one. */
  abandon({ name, directory, data }: UnfinishedVolume): void {
    if (this.get(name) !== undefined) return;
    for (const path of [data, directory]) {
      try {
        rmdirSync(path);
      } catch (error) {
        if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY')) throw ioError(`remove ${path}`, error);
      }
    }
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
      : { ...parseVolumeRecord(value, path), directory, data: join(directory, '_data') };
  }

  /** The volume of a name or of the beginning of exactly one. @throws NOT_FOUND, USAGE */
  resolve(text: string): Volume {
    const volume = this.find(text);
    if (volume !== undefined) return volume;
    throw new CoracleError('NOT_FOUND', `open volume ${text}: no such volume`, {
      hint: 'coracle volume ls lists them',
    });
  }

  /** As `resolve`, but undefined when there is none. */
  find(text: string): Volume | undefined {
    if (!namePattern.test(text) || text.length > 255) return undefined;
    const named = this.get(text);
    if (named !== undefined) return named;
    const [first, second] = this.list().filter(({ name }) => name.startsWith(text));
    if (second === undefined) return first;
    throw new CoracleError('USAGE', `open volume ${text}: several names begin with it`, {
      hint: 'give more of the name',
    });
  }

  /** In the order of their names. */
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

  #require(name: string): Volume {
    const volume = this.get(name);
    if (volume !== undefined) return volume;
    throw new CoracleError('NOT_FOUND', `open volume ${name}: it was removed just now`);
  }

  #names(): readonly string[] {
    return namesIn(this.#paths.volumes)
      .filter((name) => namePattern.test(name))
      .sort();
  }

  #directory(name: string): string {
    if (namePattern.test(name) && name.length <= 255) return join(this.#paths.volumes, name);
    throw new CoracleError('USAGE', `open volume "${name}": not a volume name`, {
      hint: 'letters, digits, and behind the first one _ . -',
    });
  }
}

function makeDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw ioError(`create directory ${path}`, error);
  }
}
