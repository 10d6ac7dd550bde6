/** What a build takes and gives, and what it needs from those who know registries. */

import type { ImageRecord } from '../image/image-record.js';
import type { NetworkMode } from '../network/network-plan.js';
import type { Platform } from '../oci/platform.js';
import type { StorageDriver } from '../snapshot/driver.js';
import type { CachePlaces } from './cache-place.js';
import type { LayoutSelection } from './context-source.js';
import type { BuildListener } from './events.js';
import type { RequestUrl } from './url.js';

export type BuildOptions = {
  /**
   * The build context: a directory, a git repository or URL of an archive; or bytes, which are an archive, or a
   * Dockerfile that needs no files.
   */
  readonly context: string | AsyncIterable<Uint8Array>;
  /** Further contexts by the names that FROM and --from use, in the forms of `--build-context`. */
  readonly contexts?: Readonly<Record<string, string>> | undefined;
  /**
   * Path of the Dockerfile, relative to the working directory, or in a context that was fetched; or its URL. Default:
   * `Dockerfile`, then `Containerfile`, in the context.
   */
  readonly dockerfile?: string | undefined;
  /** The Dockerfile's bytes, when they do not come from a file (standard input). */
  readonly dockerfileContent?: Uint8Array | undefined;
  /** Used instead of the context's `.dockerignore`. */
  readonly ignoreFile?: string | undefined;
  /** References the image gets. */
  readonly tags?: readonly string[] | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Stage to build, by name or index; default the last one. */
  readonly target?: string | undefined;
  /** Run every step although the cache has it. */
  readonly noCache?: boolean | undefined;
  /** Run every step of these stages, by name or index. */
  readonly noCacheFilter?: readonly string[] | undefined;
  /** Take nothing from the cache that is older than this many milliseconds. */
  readonly cacheTtl?: number | undefined;
  /** Say of each step that is not cached what differs from the nearest that is. */
  readonly explain?: boolean | undefined;
  /** Fail at the first step that is not cached. */
  readonly expectCached?: boolean | undefined;
  /** Places with caches of others, as `--cache-from` has them: `type=registry,ref=NAME`, `type=local,src=DIRECTORY`. */
  readonly cacheFrom?: readonly string[] | undefined;
  /** Places to leave this build's cache in, as `--cache-to` has them. */
  readonly cacheTo?: readonly string[] | undefined;
  /** Network of RUN steps. */
  readonly network?: NetworkMode | undefined;
  readonly storageDriver?: StorageDriver | undefined;
  /** Steps that run at the same time; default the number of processors. */
  readonly jobs?: number | undefined;
  /**
   * SOURCE_DATE_EPOCH: seconds since the epoch that the image and its files are made at, `context` for the time of the
   * context, or the name of a stage for that of its base image. Else the build argument or global ARG of that name.
   */
  readonly sourceDateEpoch?: number | string | undefined;
  /** False records the clock and leaves the times of files as they are, unless there is a SOURCE_DATE_EPOCH. */
  readonly reproducible?: boolean | undefined;
  /** Whether no file of a layer is later than what the image says of its own time; by default as `reproducible`. */
  readonly rewriteTimestamp?: boolean | undefined;
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
  /** The image of an OCI layout's directory. */
  readonly resolveLayout?: (path: string, select: LayoutSelection) => Promise<ImageRecord>;
  /** HTTP, for contexts and ADD. */
  readonly requestUrl?: RequestUrl;
  readonly onEvent: BuildListener;
  /** Registries as places of caches; without them only directories are. */
  readonly caches?: CachePlaces | undefined;
};
