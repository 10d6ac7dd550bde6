/**
 * What `run` and `create` take, typed. Every field is optional; an absent one means what the image or the
 * default says. `parseRunFlags` makes it from the texts of a command line.
 */

import type { AttachmentRequest } from '../network/network-flags.js';
import type { HostEntry, NetworkMode, PortRequest } from '../network/network-plan.js';
import type { CgroupRequest } from '../sandbox/cgroup-place.js';
import type { LogSpec, Personality, RestartPolicy } from '../sandbox/launch-spec.js';
import type { ResourceLimits } from '../sandbox/limits.js';
import type { MountRequest } from '../sandbox/mount.js';
import type { Rlimit } from '../sandbox/rlimit.js';
import type { DeviceRequest } from './device-flags.js';
import type { HealthOptions } from './healthcheck.js';
import type { NamespaceChoices } from './namespace-flags.js';
import type { SecretRequest } from './secret-flag.js';
import type { UsernsChoice } from './userns.js';

/** Where a container's syscall filter comes from. */
export type SeccompChoice =
  | { readonly kind: 'default' }
  | { readonly kind: 'unconfined' }
  | { readonly kind: 'file'; readonly path: string };

export type SecurityOptions = {
  readonly seccomp?: SeccompChoice | undefined;
  readonly noNewPrivileges?: boolean | undefined;
  /** Further paths to hide. */
  readonly mask?: readonly string[] | undefined;
  /** Default masked or read-only paths to leave alone; `ALL` for every one. */
  readonly unmask?: readonly string[] | undefined;
  /** Of procfs. */
  readonly procOptions?: readonly string[] | undefined;
  /** Name of a profile. */
  readonly apparmor?: string | undefined;
};

/** A container to take mounts from, by name or id. */
export type VolumesFrom = {
  readonly container: string;
  readonly readonly?: true;
  readonly relabel?: 'shared';
};

export type PodPart =
  | {
      readonly kind: 'holder';
      readonly share: readonly SharedByPod[];
      /** `stop`: it ends with the last of its members. */
      readonly exitPolicy?: 'continue' | 'stop' | undefined;
    }
  | { readonly kind: 'member'; readonly holder: string };

/** What members of a pod may have in common. */
export type SharedByPod = 'net' | 'ipc' | 'uts' | 'pid' | 'cgroup';

export type RunOptions = {
  readonly name?: string | undefined;
  /** Arguments after the image: replace its Cmd. */
  readonly command?: readonly string[] | undefined;
  /** Replaces the image's Entrypoint and drops its Cmd; empty means none. */
  readonly entrypoint?: readonly string[] | undefined;
  /** `NAME=value`, later ones win over earlier ones and the image's. */
  readonly env?: readonly string[] | undefined;
  readonly workdir?: string | undefined;
  /** `user[:group]`. */
  readonly user?: string | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly umask?: number | undefined;
  readonly personality?: Personality | undefined;
  readonly tty?: boolean | undefined;
  readonly interactive?: boolean | undefined;
  readonly hostname?: string | undefined;
  readonly mounts?: readonly MountRequest[] | undefined;
  /** Containers whose volumes and binds this one gets too. */
  readonly volumesFrom?: readonly VolumesFrom[] | undefined;
  /** What the image's VOLUMEs become; anonymous volumes unless told otherwise. */
  readonly imageVolumes?: 'anonymous' | 'tmpfs' | 'ignore' | undefined;
  readonly shmSize?: number | undefined;
  readonly readonlyRoot?: boolean | undefined;
  /** With a read-only root, writable tmpfs on /tmp, /run and /var/tmp; true unless told otherwise. */
  readonly readonlyTmpfs?: boolean | undefined;
  readonly publish?: readonly PortRequest[] | undefined;
  readonly network?: NetworkMode | undefined;
  /** Mode `container`: name or id of the container whose network is used. */
  readonly networkContainer?: string | undefined;
  /** What pasta or slirp4netns is started with besides: modes of their names. */
  readonly networkOptions?: readonly string[] | undefined;
  /** Mode `bridge`: the user-defined networks. */
  readonly networks?: readonly AttachmentRequest[] | undefined;
  /** Addresses; `none` alone leaves the image's resolv.conf in place. */
  readonly dns?: readonly string[] | undefined;
  readonly dnsSearch?: readonly string[] | undefined;
  readonly dnsOptions?: readonly string[] | undefined;
  readonly extraHosts?: readonly HostEntry[] | undefined;
  /** Absolute path of a file whose lines come first in /etc/hosts; `image`: the image's own file. */
  readonly hostsFile?: string | undefined;
  /** The lines themselves, in the place of `hostsFile`. */
  readonly hostsText?: string | undefined;
  /** The image's /etc/hosts, /etc/hostname stay in place. */
  readonly noHosts?: boolean | undefined;
  readonly noHostname?: boolean | undefined;
  readonly capabilityAdd?: readonly string[] | undefined;
  readonly capabilityDrop?: readonly string[] | undefined;
  readonly security?: SecurityOptions | undefined;
  readonly ulimits?: readonly Rlimit[] | undefined;
  /** A pod's holder of namespaces, or a member of a pod by the holder's id. */
  readonly pod?: PodPart | undefined;
  /** What it gets of this host's devices; looked up, they are `deviceNodes`. */
  readonly devices?: readonly DeviceRequest[] | undefined;
  readonly deviceNodes?: readonly { readonly source: string; readonly destination: string }[] | undefined;
  /** Absolute; where CDI descriptions are, instead of the usual places. */
  readonly cdiSpecDirectories?: readonly string[] | undefined;
  /** `local` or a zone's name; looked up, the path of its file. */
  readonly timezone?: string | undefined;
  readonly userns?: UsernsChoice | undefined;
  /** Users of this host that its passwd is to know. */
  readonly hostUsers?: readonly string[] | undefined;
  /** False: no accounts are added for its user. */
  readonly passwd?: boolean | undefined;
  /** With `$USERNAME`, `$UID`, `$GID`, `$NAME`, `$HOME`. */
  readonly passwdEntry?: string | undefined;
  readonly groupEntry?: string | undefined;
  /** Whose namespaces it is in; its own where nothing is said. */
  readonly namespaces?: NamespaceChoices | undefined;
  /** From -1000 to 1000: what the kernel kills sooner when memory is short. */
  readonly oomScoreAdj?: number | undefined;
  readonly sysctls?: Readonly<Record<string, string>> | undefined;
  readonly init?: boolean | undefined;
  /** What it may use. */
  readonly limits?: ResourceLimits | undefined;
  /** The cgroup that it is in; by default one where limits need it. */
  readonly cgroup?: Pick<CgroupRequest, 'mode' | 'parent'> | undefined;
  /** Absolute; gets the host pid of its process. */
  readonly pidfile?: string | undefined;
  /** Who tells systemd that it is ready; `container` by default. */
  readonly sdnotify?: 'container' | 'conmon' | 'healthy' | 'ignore' | undefined;
  readonly secrets?: readonly SecretRequest[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Remove the container and its anonymous volumes after it ended. */
  readonly remove?: boolean | undefined;
  /** Signal by number or name. */
  readonly stopSignal?: string | undefined;
  /** Seconds. */
  readonly stopTimeout?: number | undefined;
  /** Seconds until the container is killed. */
  readonly timeout?: number | undefined;
  readonly restart?: RestartPolicy | undefined;
  readonly health?: HealthOptions | undefined;
  readonly log?:
    | {
        readonly driver: LogSpec['driver'] | 'none';
        readonly maxSize?: number;
        readonly maxFiles?: number;
        /** Absolute; of a log in a file. */
        readonly path?: string;
        /** With `{{.Name}}`, `{{.ID}}`, `{{.FullID}}`, `{{.ImageName}}`, `{{.ImageID}}`, `{{.ImageFullID}}`. */
        readonly tag?: string;
      }
    | undefined;
  readonly storageDriver?: 'overlay' | 'fuse-overlayfs' | 'copy' | undefined;
  /** Keys that leave a foreground container running, as in `ctrl-p,ctrl-q` (the default); empty for none. */
  readonly detachKeys?: string | undefined;
  readonly signalProxy?: boolean | undefined;
};

/** What `exec` takes, typed. */
export type ExecOptions = {
  readonly command: readonly string[];
  readonly env?: readonly string[] | undefined;
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly tty?: boolean | undefined;
  readonly interactive?: boolean | undefined;
  readonly detach?: boolean | undefined;
  /** How many descriptors from 3 on, which this process has inherited, the command gets too. */
  readonly preserveFds?: number | undefined;
  /** All capabilities and no filter. */
  readonly privileged?: boolean | undefined;
  readonly detachKeys?: string | undefined;
};
