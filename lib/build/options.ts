/** What a build takes and gives, and what it needs from those who know registries. */

import type { ImageRecord } from '../image/image-record.js';
import type { NetworkMode } from '../network/network-plan.js';
import type { Platform } from '../oci/platform.js';
import type { StorageDriver } from '../snapshot/driver.js';
import type { BuildListener } from './events.js';

export type BuildOptions = {
  /** Directory of the build context. */
  readonly context: string;
  /** Path of the Dockerfile; relative to the working directory. Default: `Dockerfile`, then `Containerfile`, in the context. */
  readonly dockerfile?: string | undefined;
  /** The Dockerfile's bytes, when they do not come from a file (standard input). */
  readonly dockerfileContent?: Uint8Array | undefined;
  /** References the image gets. */
  readonly tags?: readonly string[] | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Stage to build, by name or index; default the last one. */
  readonly target?: string | undefined;
  /** Run every step although the cache has it. */
  readonly noCache?: boolean | undefined;
  /** Network of RUN steps. */
  readonly network?: NetworkMode | undefined;
  readonly storageDriver?: StorageDriver | undefined;
  /** Steps that run at the same time; default the number of processors. */
  readonly jobs?: number | undefined;
  /** Seconds since the epoch that replace the clock in the image's records (SOURCE_DATE_EPOCH). */
  readonly sourceDateEpoch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type BuildResult = {
  readonly image: ImageRecord;
  /** Steps taken from the cache, and all steps that make file systems. */
  readonly cached: number;
  readonly steps: number;
};

/** What is handed in, so that the builder knows no registry. */
export type BuildEnvironment = {
  /** Finds or pulls an image; throws NOT_FOUND or UNSUPPORTED naming it. */
  readonly resolveImage: (reference: string, platform: Platform) => Promise<ImageRecord>;
  readonly onEvent: BuildListener;
};
