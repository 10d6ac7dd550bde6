/**
 * Everything one confined process tree needs, decided: the input of `planLaunch`, which only spells it.
 * Meanings, units and defaults are those of native/PROTOCOL.md 2.1.
 */
import type { IdMap } from '../host/id-map.js';
import type { PlanRecord } from '../native/plan.js';
import type { CgroupSpec } from './cgroup-place.js';
import type { Mount } from './mount.js';
import type { Rlimit } from './rlimit.js';

/** The namespaces a container can keep from the host. The user and mount namespaces are always new. */
export type NamespaceName = 'pid' | 'ipc' | 'uts' | 'cgroup' | 'net';

/** A namespace of another container: the socket of its supervisor, and where it is seen where that is known. */
export type JoinedNamespace = {
  readonly namespace: Exclude<NamespaceName, 'net'>;
  readonly socket: string;
  readonly path?: string | undefined;
};

/** The process to run, resolved inside the container where names are involved. */
export type ProcessSpec = {
  /** At least one; the first is looked up in PATH of `env`. */
  readonly args: readonly string[];
  /** `NAME=value`, each name once. */
  readonly env: readonly string[];
  /** Variables whose values are not to stand in the plan. */
  readonly secrets?: readonly { readonly name: string; readonly value: Uint8Array }[] | undefined;
  /** Absolute; made inside if missing. */
  readonly cwd: string;
  /** `user[:group]` by name or number; empty is root. */
  readonly user: string;
  /** Supplementary groups by name or number. */
  readonly groups: readonly string[];
  /** The caller's supplementary groups stay, in place of `groups`. */
  readonly keepGroups?: boolean | undefined;
  /** A terminal of this size in the container's devpts. */
  readonly tty?: { readonly rows: number; readonly columns: number } | undefined;
  /** Keep standard input open; `once` ends it with the first client's. */
  readonly stdin?: 'open' | 'once' | undefined;
  readonly umask: number;
};

export type Personality = 'linux' | 'linux32';

/** What a process may do: the same for the container's first process and every exec. */
export type ConfinementSpec = {
  /** Capability numbers: bounding, permitted and (for uid 0) effective. */
  readonly capabilities: readonly number[];
  readonly noNewPrivileges: boolean;
  /** What uname(2) says of the machine, and more: personality(2). */
  readonly personality?: Personality | undefined;
  /** Name of a profile. */
  readonly apparmor?: string | undefined;
  /** File with the compiled filter; undefined is unconfined. */
  readonly seccompFile?: string | undefined;
};

export type LogSpec = {
  readonly driver: 'k8s-file' | 'json-file' | 'journald' | 'passthrough';
  /** The log's file, or the journal's socket. */
  readonly path: string;
  /** Bytes before it is rotated; 0 never. */
  readonly maxSize: number;
  /** Files kept, the current one included. */
  readonly maxFiles: number;
  /** json-file: members of each line's object, with a comma in front; journald: fields, each with its newline. */
  readonly extra?: string | undefined;
};

/** Who of a service's processes says that it is ready, and to whom. PROTOCOL.md 2.1. */
export type NotifySpec = {
  readonly mode: 'container' | 'conmon' | 'healthy';
  readonly socket: string;
  /** Directory of the container's own socket, on the host. */
  readonly directory: string;
};

export type RestartPolicy = {
  readonly name: 'no' | 'always' | 'on-failure' | 'unless-stopped';
  /** Retries of on-failure; 0 without end. */
  readonly maximum: number;
};

/** What the infra process does after the last exit, inside the user namespace: renames, then removals, in order. */
export type CleanupSpec = {
  readonly rename: readonly {
    readonly from: string;
    readonly to: string;
    /** What is there keeps it from being done. */
    readonly unless?: string | undefined;
  }[];
  readonly remove: readonly string[];
  /** Nothing of it once the container's process was executed. */
  readonly keepStarted: boolean;
};

/** Where the native program writes events, and the members of a JSON object that name the container in them. */
export type EventsSpec = { readonly path: string; readonly lock: string; readonly subject: string };

/** A command that tells how a container does: the plan of its exec session in a file. Milliseconds. */
export type HealthSpec = {
  readonly plan: string;
  readonly interval: number;
  readonly timeout: number;
  readonly startPeriod: number;
  /** 0: the interval holds from the start. */
  readonly startInterval: number;
  readonly retries: number;
  readonly onFailure: 'none' | 'kill' | 'restart' | 'stop';
  readonly logCount: number;
  readonly logSize: number;
};

export type LaunchSpec = {
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** PROTOCOL.md 2.4. */
  readonly mode: 'detach' | 'foreground' | 'child';
  /** Directory for the supervisor's records. */
  readonly directory: string;
  /** Attach socket; none in `child` mode. */
  readonly socket?: string | undefined;
  readonly idMap: IdMap;
  /** The map of the user namespace around the container's, in whose numbers `idMap` is then. */
  readonly outerIdMap?: IdMap | undefined;
  /** A user namespace that is there, /proc/PID/ns/user; its maps are those of `idMap`. */
  readonly userPath?: string | undefined;
  /** Socket of the supervisor of the container whose user namespace is used; its maps are those of `idMap`. */
  readonly userOf?: string | undefined;
  /** Lines for the account files, left out where their names or numbers are known. */
  readonly accounts?: { readonly passwd: readonly string[]; readonly group: readonly string[] } | undefined;
  /** The root file system's records, from lib/snapshot's `rootPlan`. */
  readonly root: readonly PlanRecord[];
  readonly rootReadonly: boolean;
  readonly hostNamespaces: readonly NamespaceName[];
  /** All of containers that share one user namespace, whose maps are those of `idMap`. */
  readonly joinedNamespaces?: readonly JoinedNamespace[] | undefined;
  /** The network's records, from lib/network's `planNetwork`. */
  readonly network: readonly PlanRecord[];
  /** In any order; the plan sorts them by destination. */
  readonly mounts: readonly Mount[];
  readonly devices?: readonly { readonly source: string; readonly destination: string }[] | undefined;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly process: ProcessSpec;
  readonly confinement: ConfinementSpec;
  readonly rlimits: readonly Rlimit[];
  readonly hostname?: string | undefined;
  readonly sysctls: Readonly<Record<string, string>>;
  /** A line for binfmt_misc's `register`: an emulator that the container alone has. */
  readonly binfmt?: string | undefined;
  readonly oomScoreAdj?: number | undefined;
  /** Its own cgroup; none: it is where we are. */
  readonly cgroup?: CgroupSpec | undefined;
  /** Nothing is executed: a process that holds namespaces. */
  readonly pause?: boolean | undefined;
  /** Of a pod's holder: it stops with the last of its members. */
  readonly endsWithMembers?: boolean | undefined;
  /** Socket of the supervisor of the pod's holder. */
  readonly memberOf?: string | undefined;
  /** A reaper as pid 1 in front of the process. */
  readonly init: boolean;
  readonly stop: { readonly signal: number; readonly timeoutMs: number };
  /** Kill after this many milliseconds. */
  readonly timeoutMs?: number | undefined;
  readonly restart?: RestartPolicy | undefined;
  readonly health?: HealthSpec | undefined;
  readonly log?: LogSpec | undefined;
  readonly cleanup?: CleanupSpec | undefined;
  readonly events?: EventsSpec | undefined;
  readonly notify?: NotifySpec | undefined;
  /** Gets the host pid of the process at each start. */
  readonly pidfile?: string | undefined;
  /** Bytes that detach a foreground client. */
  readonly detachKeys?: Uint8Array | undefined;
  /** The foreground client forwards signals. */
  readonly signalProxy: boolean;
  /** The foreground client leaves its standard input alone. */
  readonly outputOnly?: boolean | undefined;
};

/** A further process in a running container. */
export type ExecSpec = {
  readonly mode: 'foreground' | 'detach' | 'child';
  /** Attach socket of the container's supervisor. */
  readonly socket: string;
  readonly process: ProcessSpec;
  readonly confinement: ConfinementSpec;
  readonly rlimits: readonly Rlimit[];
  readonly events?: EventsSpec | undefined;
  /** How many of our descriptors from 3 on it gets. */
  readonly preserveFds?: number | undefined;
  readonly detachKeys?: Uint8Array | undefined;
  readonly signalProxy: boolean;
};
