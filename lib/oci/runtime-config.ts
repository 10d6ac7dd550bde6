/**
 * The part of the runtime specification's config.json that this implementation writes and reads.
 * https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */

/** A user inside the container. */
export type RuntimeUser = {
  readonly uid: number;
  readonly gid: number;
  /** Octal in meaning, a plain number in JSON. */
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
};

/** Names like `CAP_CHOWN`, per set. */
export type RuntimeCapabilities = {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable: readonly string[];
  readonly ambient: readonly string[];
};

/** A resource limit; `type` is like `RLIMIT_NOFILE`. */
export type RuntimeLimit = { readonly type: string; readonly soft: number; readonly hard: number };

/** The container's first process. */
export type RuntimeProcess = {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: RuntimeUser;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: RuntimeCapabilities;
  readonly rlimits: readonly RuntimeLimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj?: number;
};

/** A mount, applied in order. */
export type RuntimeMount = {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  readonly uidMappings?: readonly RuntimeIdMapping[];
  readonly gidMappings?: readonly RuntimeIdMapping[];
};

/** A range of ids. */
export type RuntimeIdMapping = {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
};

/** The kinds of Linux namespaces. */
export type RuntimeNamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';

/** A namespace to make, or to join where `path` names one. */
export type RuntimeNamespace = { readonly type: RuntimeNamespaceType; readonly path?: string };

/** A device node. */
export type RuntimeDevice = {
  readonly path: string;
  readonly type: 'c' | 'b' | 'u' | 'p';
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
};

/** One condition on a system call's argument. */
export type SeccompArgument = {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
};

/** One rule of a seccomp profile. */
export type SeccompRule = {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
};

/** A seccomp profile with its conditions already resolved. */
export type RuntimeSeccomp = {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly flags?: readonly string[];
  readonly syscalls: readonly SeccompRule[];
};

/** Limits by cgroup. Bytes, microseconds and counts as the specification says. */
export type RuntimeResources = {
  readonly memory?: { readonly limit?: number; readonly reservation?: number; readonly swap?: number };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly unified?: Readonly<Record<string, string>>;
};

/** The Linux part. */
export type RuntimeLinux = {
  readonly namespaces: readonly RuntimeNamespace[];
  readonly uidMappings?: readonly RuntimeIdMapping[];
  readonly gidMappings?: readonly RuntimeIdMapping[];
  readonly devices?: readonly RuntimeDevice[];
  readonly cgroupsPath?: string;
  readonly resources?: RuntimeResources;
  readonly seccomp?: RuntimeSeccomp;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly rootfsPropagation?: 'private' | 'slave' | 'shared' | 'unbindable';
  readonly mountLabel?: string;
};

/** A bundle's config.json. */
export type RuntimeConfig = {
  readonly ociVersion: string;
  readonly process?: RuntimeProcess;
  readonly root: { readonly path: string; readonly readonly?: boolean };
  readonly hostname?: string;
  readonly domainname?: string;
  readonly mounts: readonly RuntimeMount[];
  readonly linux: RuntimeLinux;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** The specification version written. */
export const runtimeSpecVersion = '1.2.0';
