/**
 * Layers of stores that are only read. Files of a layer belong to the ids that their store's user has for containers: in
 * containers of another user they would be nobody's, and what only their owner may read could not be read at all. So layers
 * are used in place where the store is this user's; of others' stores it is the blobs that are shared.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrno, ioError } from '../errors.js';
import { readJson } from '../host/files.js';
import type { AdditionalPaths } from '../host/paths.js';
import type { ChainId } from '../oci/chain-id.js';
import type { Digest } from '../oci/digest.js';
import { SnapshotLinks } from './links.js';
import type { SnapshotId } from './record.js';

/** Whether the layers of a store are in this user's ids. */
export function isOwn({ snapshots }: Pick<AdditionalPaths, 'snapshots'>): boolean {
  try {
    return statSync(snapshots, { throwIfNoEntry: false })?.uid === process.getuid?.();
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'ENOTDIR')) return false;
    throw ioError(`open ${snapshots}`, error);
  }
}

/** The layers of all such stores that are this user's. */
export class SharedLayers {
  readonly #stores: readonly {
    readonly snapshots: string;
    readonly chains: SnapshotLinks;
    readonly imageTops: SnapshotLinks;
  }[];

  constructor(additional: readonly AdditionalPaths[]) {
    this.#stores = additional.filter(isOwn).map(({ snapshots, chains, imageTops }) => {
      const exists = (id: SnapshotId): boolean => existsSync(join(snapshots, id, 'record.json'));
      return {
        snapshots,
        chains: new SnapshotLinks(chains, exists),
        imageTops: new SnapshotLinks(imageTops, exists),
      };
    });
  }

  /** The directory of a snapshot; undefined when none of the stores has it. */
  directoryOf(id: SnapshotId): string | undefined {
    return this.#stores
      .map(({ snapshots }) => join(snapshots, id))
      .find((directory) => existsSync(join(directory, 'record.json')));
  }

  readRecord(id: SnapshotId): unknown {
    const directory = this.directoryOf(id);
    return directory === undefined ? undefined : readJson(join(directory, 'record.json'), 1024 * 1024);
  }

  chain(chainId: ChainId): SnapshotId | undefined {
    return this.#first(({ chains }) => chains.read(chainId));
  }

  imageTop(config: Digest): SnapshotId | undefined {
    return this.#first(({ imageTops }) => imageTops.read(config));
  }

  #first(
    read: (store: {
      readonly chains: SnapshotLinks;
      readonly imageTops: SnapshotLinks;
    }) => SnapshotId | undefined,
  ): SnapshotId | undefined {
    for (const store of this.#stores) {
      const id = read(store);
      if (id !== undefined && this.directoryOf(id) !== undefined) return id;
    }
    return undefined;
  }
}
