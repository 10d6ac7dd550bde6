/** What a build takes and gives, and what it needs from those who know registries. */

import type { ImageRecord } from '../image/image-record.js';
import type { NetworkMode } from '../network/network-plan.js';
import type { Descriptor } from '../oci/descriptor.js';
import type { Platform } from '../oci/platform.js';
import type { StorageDriver } from '../snapshot/driver.js';
import type { Annotation } from './annotation.js';
import type { AttestOptions } from './attest-options.js';
import type { CachePlaces } from './cache-place.js';
import type { LayoutSelection } from './context-source.js';
import type { BuildListener } from './events.js';
import type { ArchiveOutput, BuildOutput, ImageOutput, LayerForm } from './output.js';
import type { RunSettings } from './run-settings.js';
import type { RequestUrl } from './url.js';

export type BuildOptions = RunSettings & {
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
  /** Places with cache mounts of others, as `--cache-mounts-from` has them: a directory, or as `cacheFrom`. */
  readonly cacheMountsFrom?: readonly string[] | undefined;
  /** Places to leave the cache mounts in that this build used. */
  readonly cacheMountsTo?: readonly string[] | undefined;
  /** Network of RUN steps. */
  readonly network?: NetworkMode | undefined;
  readonly storageDriver?: StorageDriver | undefined;
  /** Steps that run at the same time; default the number of processors, 2 at least. */
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
} & OutputOptions;

/** What is made of the built stage. */
export type OutputOptions = {
  /** `OS/ARCH[/VARIANT]`; several give an index of images. This machine's by default. */
  readonly platforms?: readonly string[] | undefined;
  /** Every platform that all the base images are there for. */
  readonly allPlatforms?: boolean | undefined;
  /** Where the result goes. Without any, and where tags are given that no output takes, into the store. */
  readonly outputs?: readonly BuildOutput[] | undefined;
  /** Media types of manifests; `oci` by default. */
  readonly format?: 'oci' | 'docker' | undefined;
  readonly annotations?: readonly Annotation[] | undefined;
  /** The layers of this build as one, or with those of the base. */
  readonly squash?: 'new' | 'all' | undefined;
  /** Variables of the image beside those of ENV. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Names that the image loses. */
  readonly unsetEnv?: readonly string[] | undefined;
  readonly unsetLabels?: readonly string[] | undefined;
  readonly unsetAnnotations?: readonly string[] | undefined;
  /** False: labels of the base are not taken over. */
  readonly inheritLabels?: boolean | undefined;
  /** False: annotations of the base are not taken over. They are by default, as buildah does it, only with `true`. */
  readonly inheritAnnotations?: boolean | undefined;
  readonly omitHistory?: boolean | undefined;
  /** Image for the first FROM instead of the one it names. */
  readonly from?: string | undefined;
  /** A name whose index gets the built images, beside those it has for other platforms. */
  readonly manifest?: string | undefined;
  readonly attest?: AttestOptions | undefined;
};

export type BuildResult = {
  /** The config's digest; of several images that of the index. */
  readonly id: string;
  /** For this machine, or the first; `references` and `descriptor` are those of the whole result. */
  readonly image: ImageRecord;
  /** BuildKit's facts on the result, as `--metadata-file` has them. */
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Steps taken from the cache, and all steps that make file systems. */
  readonly cached: number;
  readonly steps: number;
};

/** What is handed in, so that the builder knows no registry. */
export type BuildEnvironment = {
  /** Finds or pulls an image; throws NOT_FOUND or UNSUPPORTED naming it. */
  readonly resolveImage: (reference: string, platform: Platform) => Promise<ImageRecord>;
  /** The image of an OCI layout's directory. */
  readonly resolveLayout?: (
    path: string,
    select: LayoutSelection,
    platform: Platform,
  ) => Promise<ImageRecord>;
  /** The platforms that an image of this name is there for. */
  readonly imagePlatforms?: (reference: string) => Promise<readonly Platform[]>;
  /** HTTP, for contexts and ADD. */
  readonly requestUrl?: RequestUrl;
  readonly onEvent: BuildListener;
  /** Registries as places of caches; without them only directories are. */
  readonly caches?: CachePlaces | undefined;
  /** Name and version of the program, for documents that say who made them. */
  readonly tool?: string;
  /** How the result leaves; absent where a caller wants none of it. */
  readonly exporter?: ImageExporter;
};

/** Transfers, which the builder does not know. */
export type ImageExporter = {
  /** The image with its layers as blobs of the store. */
  compress(
    image: ImageRecord,
    form: LayerForm & { readonly keepPlain: boolean },
    signal: AbortSignal | undefined,
  ): Promise<ImageRecord>;
  /** Writes an archive or a layout. */
  archive(image: ImageRecord, output: ArchiveOutput): Promise<void>;
  /** Sends it to its registry; what the name then points at. */
  push(image: ImageRecord, name: string, output: ImageOutput): Promise<Descriptor>;
};
