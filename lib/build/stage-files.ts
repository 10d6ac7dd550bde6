/** What steps hand on to one another: the files of a stage so far, under two names. */
import type { ImageRecord } from '../image/image-record.js';
import type { HistoryEntry } from '../oci/image-config.js';
import type { SnapshotRecord } from '../snapshot/record.js';
import { baseKey, type CacheKey, sha256 } from './cache-key.js';

/** A stage's files so far. `top` is looked up when needed: a base image is not unpacked for the sake of a cached build. */
export type StageFiles = {
  /** Names what the files truly are: the local cache's records are keyed by it. */
  readonly key: CacheKey;
  /**
   * What any machine that builds the same calls them; imported and exported records are keyed by it. It differs from `key`
   * only above an imported result, whose key is that of its content: whatever a foreign record claims, nothing built on it is
   * taken for what it is not (S33).
   */
  readonly claim: CacheKey;
  readonly top: () => Promise<SnapshotRecord | undefined>;
  /** The image below; undefined for scratch. */
  readonly base: ImageRecord | undefined;
};

export type StageResult = {
  readonly files: StageFiles;
  readonly history: readonly HistoryEntry[];
};

export type StepResult = {
  readonly files: StageFiles;
  /** False when the step changed nothing. */
  readonly madeLayer: boolean;
  /** RFC 3339; when it ran. */
  readonly created: string;
};

/** The identity of an image's files. */
export function imageIdentity(image: ImageRecord): string {
  return layersIdentity(image.config.rootfs.diff_ids);
}

/** The identity of the files that layers make. */
export function layersIdentity(diffIds: readonly string[]): string {
  return sha256(diffIds.join(' '));
}

/** The key of files that no step of ours made. Where files get other times, nothing is shared. */
export function rootKey(identity: string, filesTime: number | undefined): CacheKey {
  return baseKey(filesTime === undefined ? identity : `${identity} ${filesTime}`);
}

/** Makes a value at the first call. */
export function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
