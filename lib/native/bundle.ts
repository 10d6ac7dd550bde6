/** Starts `coracle-sv oci-create` and `oci-exec`, which no supervisor outlives. native/PROTOCOL.md 2.9. */
import { closeSync, read, writeSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { addon } from './addon.js';
import { nativePath } from './location.js';
import { encodePlan, type PlanRecord } from './plan.js';
import { parseStatus, type Status, startError } from './status.js';
import { environment, preserved, readLines } from './supervisor.js';

export type Warning = Extract<Status, { kind: 'warn' }>;

/** A creation or session under way. Whatever happens, `close` it: what has not come to its end is then given up and killed. */
export type BundleStart = {
  readonly warnings: readonly Warning[];
  /** Waits for the status; its pid. @throws START */
  readonly await: (kind: 'held' | 'created' | 'ready' | 'started') => number;
  /** Lets it go on. */
  readonly goOn: () => void;
  /** The exit code of the program, which is that of the process in mode `child`; signals that come meanwhile go there. */
  readonly ended: () => Promise<number>;
  readonly close: () => void;
};

const [planDescriptor, statusDescriptor, wordDescriptor] = [3, 4, 6];

/** The process gets our own standard streams, and our descriptors from 3 on where the plan says so. */
export function startBundle(command: 'oci-create' | 'oci-exec', records: readonly PlanRecord[]): BundleStart {
  const plan = addon().memfd('coracle-plan', encodePlan(records));
  const [status, theirStatus] = addon().pipe();
  const [word, theirWord] = addon().socketPair();
  const fds = [
    ...[0, 1, 2].map((fd) => [fd, fd] as const),
    [planDescriptor, plan] as const,
    [statusDescriptor, theirStatus] as const,
    [wordDescriptor, theirWord] as const,
    ...preserved(records),
  ];
  const pid = addon().spawn(nativePath('coracle-sv'), ['coracle-sv', command], environment(), { fds });
  for (const fd of [plan, theirStatus, theirWord]) closeSync(fd);
  const lines = readLines(status);
  const warnings: Warning[] = [];
  return {
    warnings,
    await: (kind) => awaitStatus(lines, kind, warnings),
    goOn: () => void writeSync(word, '.'),
    ended: () => awaitEnd(pid, word),
    close: () => {
      closeSync(status);
      closeSync(word);
    },
  };
}

function awaitStatus(lines: Generator<string>, kind: Status['kind'], warnings: Warning[]): number {
  for (let next = lines.next(); !next.done; next = lines.next()) {
    const status = parseStatus(next.value);
    if (status.kind === 'warn') warnings.push(status);
    else if (status.kind === 'error') throw startError(status);
    else if (status.kind === kind && status.kind !== 'exit') return status.pid;
  }
  throw new CoracleError('START', 'start container: the native program ended without a word');
}

const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Its end of the word's socket closes with it. */
async function awaitEnd(pid: number, word: number): Promise<number> {
  const forward = (signal: NodeJS.Signals): void => void process.kill(pid, signal);
  for (const signal of forwarded) process.on(signal, forward);
  try {
    await new Promise<void>((resolve) => read(word, Buffer.alloc(1), 0, 1, null, () => resolve()));
    return addon().waitpid(pid, false)?.code ?? 0;
  } finally {
    for (const signal of forwarded) process.off(signal, forward);
  }
}

/** Knocks at a container's gate: what could not be applied. @throws START when its process could not be executed. */
export function openGate(path: string): readonly Warning[] {
  const connection = addon().connectUnix(path);
  const warnings: Warning[] = [];
  let ready = false;
  try {
    for (const line of readLines(connection)) {
      const status = parseStatus(line);
      if (status.kind === 'error') throw startError(status);
      if (status.kind === 'warn') warnings.push(status);
      ready ||= status.kind === 'ready';
    }
    if (ready) return warnings;
    throw new CoracleError('START', 'start container: it was killed before its program was executed');
  } finally {
    closeSync(connection);
  }
}
