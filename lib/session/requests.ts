/** What the verbs of `Coracle` take and give beyond the types of their folders. */
import type { BuildEvent } from '../build/events.js';
import type { BuildOptions } from '../build/options.js';
import type { ContainerSummary } from '../container/listing.js';
import type { RunOptions } from '../container/run-options.js';
import type { ContainerChange } from '../container/update.js';
import type { WaitCondition } from '../container/wait-condition.js';
import type { IdRange } from '../host/id-map.js';
import type { Machine } from '../host/machine.js';
import type { RegistryEntry } from '../registry/registries-file.js';
import type { StorageDriver } from '../snapshot/driver.js';
import type { TransferEvent } from '../transfer/events.js';
import type { PullPolicy } from '../transfer/pull.js';
import type { RegistryAccess } from '../transfer/registry-access.js';
import type { SaveFormat } from '../transfer/save.js';
import type { ContainerSize } from './container-size.js';
import type { SignRequest } from './signer.js';

/** What a verb that may pull is told about registries. */
export type PullRequest = RegistryAccess & {
  /** `OS/ARCH[/VARIANT]`; this machine's by default. */
  readonly platform?: string | undefined;
  /** When to ask the registry. `pull` defaults to `always`, the others to `missing`. */
  readonly policy?: PullPolicy | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
};

export type BuildRequest = Omit<BuildOptions, 'context' | 'storageDriver'> & {
  /** As in `BuildOptions`; undefined for a Dockerfile that needs no files. */
  readonly context?: BuildOptions['context'] | undefined;
  /** When to ask the registry for base images; `missing` by default. */
  readonly pull?: PullPolicy | undefined;
  readonly access?: RegistryAccess | undefined;
  readonly onEvent?: ((event: BuildEvent) => void) | undefined;
};

export type RunRequest = RunOptions & {
  /** When to ask the registry for the image; `missing` by default. */
  readonly policy?: PullPolicy | undefined;
  readonly platform?: string | undefined;
  readonly access?: RegistryAccess | undefined;
  /** Remove, by force, the container that has the name now. */
  readonly replace?: boolean | undefined;
  /** A limit that cannot be applied is an error, not a warning. */
  readonly requireLimits?: boolean | undefined;
  /** Name of the pod that it joins, or `new:NAME`. */
  readonly inPod?: string | undefined;
  /** Publish every port the image exposes at a free port. */
  readonly publishAll?: boolean | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
  /** Told what does not work as one may expect. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /** Told of the container before it starts. */
  readonly onCreated?: ((container: RunningContainer) => void) | undefined;
};

export type RunningContainer = { readonly id: string; readonly name: string };

/** A line of `ps`. */
export type ContainerListing = ContainerSummary & {
  /** Its mode, or the user-defined networks it is on, apart by commas. */
  readonly network: string;
  /** Whether it is on user-defined networks. */
  readonly bridged: boolean;
  /** Host paths and volume names that it mounts. */
  readonly mounts: readonly string[];
  /** Where it was asked for. */
  readonly size?: ContainerSize | undefined;
};

export type UpdateRequest = ContainerChange & Pick<RunRequest, 'requireLimits' | 'onWarning'>;

export type ListRequest = {
  /** Also those that do not run. */
  readonly all?: boolean | undefined;
  /** Measure what they wrote. */
  readonly size?: boolean | undefined;
};

export type WaitRequest = {
  readonly ignoreMissing?: boolean | undefined;
  /** Any of them ends the wait; that it does not run, by default. */
  readonly conditions?: readonly WaitCondition[] | undefined;
  /** Milliseconds after which it is looked again in any case; changes are noticed at once. */
  readonly interval?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type StartRequest = {
  /** In the foreground: our standard input becomes the container's, if it was made with one. */
  readonly interactive?: boolean | undefined;
  readonly detachKeys?: string | undefined;
  readonly signalProxy?: boolean | undefined;
  /** Told what does not work as one may expect. */
  readonly onWarning?: ((text: string) => void) | undefined;
};

export type AttachRequest = {
  /** Leave standard input alone. */
  readonly noStdin?: boolean | undefined;
  readonly detachKeys?: string | undefined;
  readonly signalProxy?: boolean | undefined;
};

export type RestartRequest = Omit<StopRequest, 'ignoreMissing'> & {
  /** Told what does not work as one may expect. */
  readonly onWarning?: ((text: string) => void) | undefined;
};

export type CommitRequest = {
  /** The name the image gets; none: it stays untagged. */
  readonly reference?: string | undefined;
  /** Dockerfile instructions that set defaults, as `--change` takes them. */
  readonly changes?: readonly string[] | undefined;
  readonly message?: string | undefined;
  readonly author?: string | undefined;
  /** Told what a layer cannot hold. */
  readonly onWarning?: ((text: string) => void) | undefined;
};

/** One end of a copy: a path in a container, a path of this host, or the standard stream as a tar. */
export type CopyEnd =
  | { readonly kind: 'container'; readonly container: string; readonly path: string }
  | { readonly kind: 'host'; readonly path: string }
  | { readonly kind: 'stream' };

export type CopyRequest = {
  /** Keep owners; else what is written belongs to root of the container, and on this host to the user. */
  readonly archive?: boolean | undefined;
  /** A source that is a symbolic link stands for what it names. */
  readonly followLink?: boolean | undefined;
  /** A directory may replace what is none, and the reverse. */
  readonly overwrite?: boolean | undefined;
  readonly onWarning?: ((text: string) => void) | undefined;
};

export type StatsRequest = {
  /** False: a single answer. */
  readonly stream?: boolean | undefined;
  /** Seconds between answers; 1 by default. */
  readonly interval?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type StopRequest = {
  /** Name or number; the container's own by default. */
  readonly signal?: string | undefined;
  /** Seconds until it is killed; the container's own by default. */
  readonly timeout?: number | undefined;
  /** A container that does not exist is no error. */
  readonly ignoreMissing?: boolean | undefined;
};

export type RemoveRequest = {
  /** Kill it first if it runs. */
  readonly force?: boolean | undefined;
  /** Its anonymous volumes too. */
  readonly volumes?: boolean | undefined;
  /** With `force`: seconds to end by itself. */
  readonly timeout?: number | undefined;
  readonly ignoreMissing?: boolean | undefined;
  /** Before it those that depend on it. */
  readonly depend?: boolean | undefined;
  /** Told of each of these when it is gone. */
  readonly onDependent?: ((name: string) => void) | undefined;
};

export type LoadRequest = {
  /** `OS/ARCH[/VARIANT]`: of an index only this image; an image for another one is refused. */
  readonly platform?: string | undefined;
  /** A policy.json, instead of the user's or the host's. */
  readonly signaturePolicy?: string | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
};

export type ImportRequest = Pick<LoadRequest, 'signaturePolicy'> & {
  readonly reference?: string | undefined;
  readonly changes?: readonly string[] | undefined;
  readonly message?: string | undefined;
  readonly platform?: string | undefined;
};

export type SaveRequest = {
  /** docker-archive by default. */
  readonly format?: SaveFormat | undefined;
  /** In a docker-dir, layers made here are compressed; they are not otherwise. */
  readonly compress?: boolean | undefined;
  /** In an OCI layout they are not, which they are otherwise. */
  readonly uncompressed?: boolean | undefined;
  /** `OS/ARCH[/VARIANT]`: of an index only this image; all of an index that is here whole, otherwise. */
  readonly platform?: string | undefined;
};

export type LoginRequest = RegistryAccess & {
  readonly username: string;
  readonly password: string;
  /** A file of Docker's kind to keep them in. */
  readonly compatFile?: string | undefined;
};

export type PushRequest = RegistryAccess & {
  readonly compression?: 'gzip' | 'zstd' | 'zstd:chunked' | undefined;
  readonly level?: number | undefined;
  /** Compress layers anew that are compressed another way. */
  readonly recompress?: boolean | undefined;
  /** Compress layers made here in files too; registries have them compressed always. */
  readonly compress?: boolean | undefined;
  /** Media types of manifests; as they are by default. */
  readonly format?: 'oci' | 'v2s2' | undefined;
  /** `OS/ARCH[/VARIANT]`: of an index only this image; all of an index that is here whole, otherwise. */
  readonly platform?: string | undefined;
  readonly sign?: SignRequest | undefined;
  /** Signatures that came with the image stay behind. */
  readonly removeSignatures?: boolean | undefined;
  readonly onEvent?: ((event: TransferEvent) => void) | undefined;
};

export type VersionInformation = {
  readonly Version: string;
  readonly NodeVersion: string;
  /** `linux/amd64`. */
  readonly OsArch: string;
};

export type HostInformation = {
  readonly version: VersionInformation;
  readonly host: Machine & {
    readonly user: string;
    readonly uid: number;
    /** The kernel confines by labels. */
    readonly selinux: boolean;
  };
  readonly store: {
    readonly root: string;
    /** Where the images are, if that is another store. */
    readonly imagesIn?: string;
    /** Stores that are only read. */
    readonly additionalImageStores: readonly string[];
    /** Records of containers are in the runtime directory. */
    readonly transient: boolean;
    readonly runtime: string;
    readonly configuration: string;
    readonly driver: StorageDriver;
    /** Why the driver is not the best one. */
    readonly driverReason?: string | undefined;
    readonly volumes: string;
    /** Bytes of its file system: how many there are, and are taken. */
    readonly allocated: number;
    readonly used: number;
    readonly containers: number;
    /** These are among the running ones too. */
    readonly paused: number;
    readonly running: number;
    readonly images: number;
  };
  /** What registries.conf says. */
  readonly registries: {
    readonly search: readonly string[];
    readonly shortNameMode: string;
    readonly tables: readonly RegistryEntry[];
    readonly files: readonly string[];
  };
  readonly modes: {
    readonly ids: string;
    readonly idCount: number;
    readonly uids: readonly IdRange[];
    readonly gids: readonly IdRange[];
    readonly idsReason?: string | undefined;
    readonly network: string;
    readonly networkReason?: string | undefined;
    /** Who makes cgroups: the systemd of the user, or we below our own. */
    readonly limits: 'systemd' | 'cgroup' | 'none';
    /** Controllers that it can give to containers. */
    readonly controllers: readonly string[];
    /** 2 where the controllers are those of version 2. */
    readonly cgroupVersion: 1 | 2;
  };
};

/** A process started by `exec`. */
export type ExecStarted = {
  readonly pid: number;
  /** What could not be applied to it. */
  readonly warnings: readonly string[];
};
