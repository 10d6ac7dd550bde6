/** A container as commands see it: its record and its state, the latter derived from disk at the moment of asking. */
import type { HealthRecord } from './healthcheck.js';
import type { ContainerRecord } from './record.js';

/** created: never started · starting: a supervisor prepares it · running · paused: its processes stand still · exited: see `exit` · dead: its removal did not
 * come to its end, all that can be done is to remove it. */
export type ContainerStatus = 'created' | 'starting' | 'running' | 'paused' | 'exited' | 'dead';

/** How the last run ended. */
export type ExitRecord = {
  readonly code: number;
  /** The signal that ended the process, 0 for none. */
  readonly signal: number;
  readonly oom: boolean;
  /** Why it could not be started, or why the supervisor ended it; empty for an ordinary exit. */
  readonly error: string;
  readonly stage: string;
  readonly errno: number;
  /** RFC 3339 with nanoseconds. */
  readonly started: string;
  readonly finished: string;
  readonly restarts: number;
  /** A command ended it; not a shutdown. */
  readonly stopped: boolean;
};

/** Who runs it now. */
export type LiveRecord = {
  readonly supervisor: number;
  readonly supervisorStart: number;
  readonly boot: string;
  /** Host pid of the container's first process. */
  readonly pid: number;
  readonly pidStart: number;
  readonly started: string;
  readonly restarts: number;
  readonly paused: boolean;
  /** Directory of the cgroup that its processes are in, where it has one of its own. */
  readonly cgroup?: string | undefined;
};

/** Whether a supervisor has it, so that it cannot be started or removed. */
export function isActive({ status }: { readonly status: ContainerStatus }): boolean {
  return status === 'starting' || status === 'running' || status === 'paused';
}

export type ContainerView = {
  readonly record: ContainerRecord;
  /** Absolute path of its directory. */
  readonly directory: string;
  readonly status: ContainerStatus;
  readonly live: LiveRecord | undefined;
  readonly exit: ExitRecord | undefined;
  /** Of a running container with a health check. */
  readonly health?: HealthRecord | undefined;
};
