/**
 * container.json: a container as it was made. It never changes afterwards; what changes (running, exited) is
 * derived from the supervisor's records.
 */

import type { NetworkMode, PortMapping } from '../network/network-plan.js';
import type { LogSpec } from '../sandbox/launch-spec.js';
import type { MountRequest } from '../sandbox/mount.js';
import type { StorageDriver } from '../snapshot/driver.js';
import type { SnapshotId } from '../snapshot/record.js';
import type { Accounts } from './accounts.js';
import type { ContainerHealthcheck } from './healthcheck.js';
import type { UserNamespace } from './inner-map.js';
import type { NamespaceKind } from './namespace-flags.js';
import type { RunOptions } from './run-options.js';
import type { SecretRequest } from './secret-flag.js';

/** The process as merged from the image's config and the options. */
export type ContainerProcess = {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly tty: boolean;
  readonly interactive: boolean;
};

/** A volume that the container mounts. */
export type VolumeUse = Omit<
  Extract<MountRequest, { readonly type: 'volume' }>,
  'type' | 'name' | 'anonymous'
> & {
  readonly name: string;
  readonly anonymous: boolean;
};

/** An image that the container mounts, as it was when the container was made. */
export type ImageUse = {
  readonly destination: string;
  readonly imageId: string;
  /** Top snapshot; undefined for an image without layers. */
  readonly snapshot?: SnapshotId | undefined;
};

/** A secret that it has a copy of. */
export type SecretUse = SecretRequest & { readonly id: string };

/** Where its output goes; what depends on its name is added at each start. */
export type ContainerLog = Omit<LogSpec, 'extra'> & { readonly tag?: string | undefined };

export type ContainerRecord = {
  readonly version: 1;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  /** Config digest's hexadecimal digits. */
  readonly imageId: string;
  /** The reference it was made by, full. */
  readonly imageReference?: string | undefined;
  /** Digest of the manifest. */
  readonly imageDigest: string;
  /** Top snapshot of the image; undefined for an image without layers. */
  readonly snapshot?: SnapshotId | undefined;
  readonly driver: StorageDriver;
  readonly options: RunOptions;
  readonly process: ContainerProcess;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly capabilities: readonly number[];
  readonly network: NetworkMode;
  /** Mode `container`: id of the container whose network is used. */
  readonly networkContainer?: string | undefined;
  /** Ids of the containers whose namespaces are used. */
  readonly sharedNamespaces?: Partial<Readonly<Record<NamespaceKind, string>>> | undefined;
  /** Id of the container whose user namespace is used. */
  readonly userContainer?: string | undefined;
  /** Where it is not the usual one. */
  readonly userNamespace?: UserNamespace | undefined;
  /** What its account files are to have. */
  readonly accounts?: Accounts | undefined;
  readonly ports: readonly PortMapping[];
  readonly exposed: readonly string[];
  readonly volumes: readonly VolumeUse[];
  readonly images?: readonly ImageUse[] | undefined;
  /** In the order of the copies in its directory. */
  readonly secrets?: readonly SecretUse[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly hostname: string;
  readonly stopSignal: number;
  /** Seconds. */
  readonly stopTimeout: number;
  readonly healthcheck?: ContainerHealthcheck | undefined;
  readonly autoRemove: boolean;
  /** Made by `create`: it stays until it has run, whoever made it being gone. */
  readonly awaitsStart?: boolean | undefined;
  readonly log: ContainerLog | undefined;
};
