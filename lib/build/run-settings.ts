/** What a build lets its RUN steps have, and how they are confined, beyond what the Dockerfile says. */
import type { AttachmentRequest } from '../network/network-flags.js';
import type { HostEntry } from '../network/network-plan.js';
import type { ResourceLimits } from '../sandbox/limits.js';
import type { MountRequest } from '../sandbox/mount.js';
import type { Rlimit } from '../sandbox/rlimit.js';
import type { SeccompSource } from '../sandbox/seccomp.js';

/** What a Dockerfile may only do where the builder agrees. */
export const entitlements = ['network.host', 'security.insecure'] as const;
export type Entitlement = (typeof entitlements)[number];

/** A secret for `RUN --mount=type=secret`. A file is read when a step needs it. */
export type BuildSecret = { readonly id: string } & (
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'value'; readonly value: string | Uint8Array }
);

/** An agent for `RUN --mount=type=ssh`: the one listening at `socket`, or one of the build's own that holds `keys`. */
export type BuildSsh = { readonly id: string } & (
  | { readonly kind: 'socket'; readonly socket: string }
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
);

export type RunSecurity = {
  readonly seccomp?: SeccompSource | { readonly kind: 'unconfined' } | undefined;
  readonly noNewPrivileges?: boolean | undefined;
  /** Further paths to hide. */
  readonly mask?: readonly string[] | undefined;
  /** Default masked or read-only paths to leave alone; `ALL` for every one. */
  readonly unmask?: readonly string[] | undefined;
};

export type RunSettings = {
  readonly secrets?: readonly BuildSecret[] | undefined;
  readonly ssh?: readonly BuildSsh[] | undefined;
  readonly allow?: readonly Entitlement[] | undefined;
  /** Proxy variables, given to every RUN that does not set them itself; no part of keys and history. */
  readonly proxies?: Readonly<Record<string, string>> | undefined;
  /** What pasta or slirp4netns is started with besides. */
  readonly networkOptions?: readonly string[] | undefined;
  /** User-defined networks that RUN steps are on: network `bridge`. */
  readonly networks?: readonly AttachmentRequest[] | undefined;
  readonly extraHosts?: readonly HostEntry[] | undefined;
  readonly dns?: readonly string[] | undefined;
  readonly dnsSearch?: readonly string[] | undefined;
  readonly dnsOptions?: readonly string[] | undefined;
  /** Bytes of /dev/shm. */
  readonly shmSize?: number | undefined;
  readonly ulimits?: readonly Rlimit[] | undefined;
  /** What each RUN may use; they make it no other one. */
  readonly limits?: ResourceLimits | undefined;
  /** Slice, or path of the cgroup, below which theirs are made. */
  readonly cgroupParent?: string | undefined;
  /** A limit that cannot be applied is an error, not a warning. */
  readonly requireLimits?: boolean | undefined;
  readonly capabilityAdd?: readonly string[] | undefined;
  readonly capabilityDrop?: readonly string[] | undefined;
  readonly security?: RunSecurity | undefined;
  /** Supplementary groups, by name or number. */
  readonly groups?: readonly string[] | undefined;
  /** Host directories and files that RUN steps see, written through unless read-only: only of type bind. */
  readonly mounts?: readonly MountRequest[] | undefined;
};

/** What of the settings makes a RUN another one; nothing where all are left alone. */
export function settingsInputs(settings: RunSettings): Readonly<Record<string, string>> {
  const { extraHosts, shmSize, ulimits, capabilityAdd, capabilityDrop, security, groups, mounts } = settings;
  const parts = {
    hosts: extraHosts,
    'shm-size': shmSize,
    ulimits,
    'cap-add': capabilityAdd,
    'cap-drop': capabilityDrop,
    'security-options': security,
    groups,
    volumes: mounts,
  };
  return Object.fromEntries(
    Object.entries(parts).flatMap(([name, value]) => {
      const isEmpty = value === undefined || Object.values(value).every((each) => each === undefined);
      return isEmpty && typeof value !== 'number' ? [] : [[name, JSON.stringify(value)] as const];
    }),
  );
}
