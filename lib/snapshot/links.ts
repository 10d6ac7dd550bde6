/**
 * Links from digests to snapshots: a symbolic link is made and read by one system call, exclusively when made.
 * Only the id at the end of its target is believed.
 */
import { readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { randomHex } from '../host/random.js';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.js';
import { isSnapshotId, type SnapshotId } from './record.js';

/** A directory of links, one per digest. */
export class SnapshotLinks {
  readonly #directory: string;
  readonly #exists: (id: SnapshotId) => boolean;

  /** `exists` tells whether a snapshot is in the store: links to others count for nothing. */
  constructor(directory: string, exists: (id: SnapshotId) => boolean) {
    this.#directory = directory;
    this.#exists = exists;
  }

  /** The id the digest's link names, be that snapshot there or not. */
  read(digest: Digest): SnapshotId | undefined {
    return readLink(this.#path(digest));
  }

  /** Points the digest's link, new or not, at a snapshot. */
  replace(digest: Digest, id: SnapshotId): void {
    const path = this.#path(digest);
    const temporary = `${path}.${randomHex(6)}.tmp`;
    try {
      symlinkSync(`../${id}`, temporary);
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw ioError(`write ${path}`, error);
    }
  }

  /** Points the link at `id` unless it names a living snapshot already. Returns the snapshot it names then. */
  claim(digest: Digest, id: SnapshotId): SnapshotId {
    try {
      symlinkSync(`../${id}`, this.#path(digest));
      return id;
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw ioError(`write ${this.#path(digest)}`, error);
    }
    const other = this.read(digest);
    if (other !== undefined && this.#exists(other)) return other;
    this.replace(digest, id);
    return id;
  }

  /** Removes the link if it names this snapshot. */
  drop(digest: Digest, id: SnapshotId): void {
    try {
      if (this.read(digest) === id) rmSync(this.#path(digest), { force: true });
    } catch (error) {
      throw ioError(`remove ${this.#path(digest)}`, error);
    }
  }

  /** Removes links to snapshots that are gone, and what killed writers left. */
  sweep(): void {
    for (const path of this.dangling()) {
      try {
        rmSync(path, { force: true });
      } catch (error) {
        throw ioError(`remove ${path}`, error);
      }
    }
  }

  /** Paths of links to snapshots that are gone, and of what killed writers left. */
  dangling(): readonly string[] {
    return this.#names()
      .filter((name) => {
        const id = name.endsWith('.tmp') ? undefined : readLink(join(this.#directory, name));
        return id === undefined || !this.#exists(id);
      })
      .map((name) => join(this.#directory, name));
  }

  #names(): readonly string[] {
    try {
      return readdirSync(this.#directory);
    } catch (error) {
      throw ioError(`read ${this.#directory}`, error);
    }
  }

  #path(digest: Digest): string {
    return join(this.#directory, `${digestAlgorithm(digest)}-${digestHex(digest)}`);
  }
}

function readLink(path: string): SnapshotId | undefined {
  try {
    const id = basename(readlinkSync(path));
    return isSnapshotId(id) ? id : undefined;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'EINVAL')) return undefined;
    throw ioError(`read ${path}`, error);
  }
}
