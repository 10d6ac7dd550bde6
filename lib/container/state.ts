/**
 * What a container does, derived from its directory: a held lock means a living supervisor, whatever pids say.
 * A supervisor that died without a record (killed, or the machine went down) gets its record written here.
 */
import { existsSync } from 'node:fs';
import { CoracleError, hasErrno, ioError } from '../errors.js';
import { bootId, isAlive } from '../host/process.js';
import { addon } from '../native/addon.js';
import { readExit, readLive, writeExit } from './records.js';
import type { ContainerStatus, ExitRecord, LiveRecord } from './view.js';

/** A container's state at the moment of reading. */
export type ContainerState = {
  readonly status: ContainerStatus;
  readonly live: LiveRecord | undefined;
  readonly exit: ExitRecord | undefined;
};

/** In a container's directory: its removal has begun. */
export const removingMark = 'removing';

/** Whether a supervisor holds the container. */
export function isHeld(directory: string): boolean {
  try {
    return addon().ofdLockHeld(`${directory}/lock`);
  } catch (error) {
    throw ioError(`read ${directory}/lock`, error);
  }
}

/** Reads the state; writes the exit record of a lost supervisor. */
export function readState(directory: string): ContainerState {
  const { state, live } = settledState(directory);
  if (state.lost !== undefined) recordLost(directory, state.lost);
  return {
    status: existsSync(`${directory}/${removingMark}`) ? 'dead' : state.status,
    live: state.status === 'running' || state.status === 'paused' ? live : undefined,
    exit: state.exit,
  };
}

type Looked = Pick<StateFacts, 'held' | 'live' | 'exit' | 'begun'>;

/** A supervisor that starts between two of the looks has the records of one that was killed: a second one tells them apart. */
function settledState(
  directory: string,
  facts = lookAt(directory),
): { readonly state: ReturnType<typeof deriveState>; readonly live: LiveRecord | undefined } {
  const state = deriveState({ ...facts, boot: bootId(), isAlive });
  if (state.lost === undefined) return { state, live: facts.live };
  const again = lookAt(directory);
  if (JSON.stringify(again) !== JSON.stringify(facts)) return settledState(directory, again);
  return { state, live: facts.live };
}

/** The lock first: a supervisor writes its exit record before it lets go. */
function lookAt(directory: string): Looked {
  const held = isHeld(directory);
  const [live, exit] = [readLive(directory), readExit(directory)];
  const begun =
    !held && exit === undefined && ['exit.new', 'exit'].some((name) => existsSync(`${directory}/${name}`));
  return { held, live, exit, begun };
}

/** Writes the exit record of a lost supervisor, unless somebody has removed the container meanwhile. */
export function recordLost(directory: string, exit: ExitRecord): void {
  try {
    writeExit(directory, exit);
  } catch (error) {
    if (error instanceof CoracleError && hasErrno(error.cause, 'ENOENT')) return;
    throw error;
  }
}

/** What `deriveState` looks at. */
export type StateFacts = {
  readonly held: boolean;
  readonly live: LiveRecord | undefined;
  readonly exit: ExitRecord | undefined;
  /** A supervisor has reserved its exit record and not written it, or a power failure tore it. */
  readonly begun: boolean;
  readonly boot: string;
  readonly isAlive: (pid: number, start: number) => boolean;
};

/** The decision alone. `lost` is an exit record to be written. */
export function deriveState(facts: StateFacts): {
  readonly status: ContainerStatus;
  readonly exit: ExitRecord | undefined;
  readonly lost?: ExitRecord;
} {
  const { held, live, exit, begun, boot } = facts;
  if (held) {
    // While it starts, `live` may still speak of the run before.
    const current =
      live?.boot === boot && live.pid > 0 && facts.isAlive(live.supervisor, live.supervisorStart);
    return { status: !current ? 'starting' : live.paused ? 'paused' : 'running', exit };
  }
  const unfinished = begun || (live !== undefined && (exit === undefined || exit.finished < live.started));
  if (!unfinished) return { status: exit === undefined ? 'created' : 'exited', exit };
  const lost = lostExit(live, live === undefined || live.boot === boot);
  return { status: 'exited', exit: lost, lost };
}

function lostExit(live: LiveRecord | undefined, sameBoot: boolean): ExitRecord {
  return {
    code: sameBoot ? 137 : 255,
    signal: sameBoot ? 9 : 0,
    oom: false,
    error: sameBoot ? 'the supervisor was killed' : 'the machine went down',
    stage: 'supervisor',
    errno: 0,
    started: live?.started ?? '',
    finished: new Date().toISOString(),
    restarts: live?.restarts ?? 0,
    stopped: false,
  };
}
