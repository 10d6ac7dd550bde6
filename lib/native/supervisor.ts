/** Starts `coracle-sv run` and `exec` in the three modes of native/PROTOCOL.md 2.4, without node:child_process. */
import { closeSync, readSync } from 'node:fs';
import { CoracleError } from '../errors.js';
import { logger } from '../host/log.js';
import { addon } from './addon.js';
import { nativePath } from './location.js';
import { encodePlan, type PlanRecord } from './plan.js';
import { parseStatus, type Status, startError } from './status.js';

export type SupervisorCommand = 'run' | 'exec' | 'attach';

const planDescriptor = 3;
const statusDescriptor = 4;
const dataDescriptor = 5;
const clientDescriptor = 6;

/** Host pid of the started process, and what could not be applied. */
export type Started = {
  readonly pid: number;
  readonly warnings: readonly Extract<Status, { kind: 'warn' }>[];
};

/**
 * Starts a supervisor that stays, and returns once its process has been executed.
 * @throws START with the exit code the command should end with; nothing is left behind then.
 */
export function startDetached(
  command: SupervisorCommand,
  records: readonly PlanRecord[],
  data?: Uint8Array,
): Started {
  const plan = addon().memfd('coracle-plan', encodePlan(records));
  const given = giveData(data);
  const [read, write] = addon().pipe();
  try {
    const own = [[planDescriptor, plan] as const, [statusDescriptor, write] as const];
    const pid = spawnSupervisor(command, [
      ...own,
      ...given,
      ...passedStreams(records),
      ...preserved(records),
    ]);
    closeSync(write);
    const started = readStarted(read);
    addon().waitpid(pid, false);
    return started;
  } finally {
    closeSync(read);
    closeSync(plan);
    for (const [, fd] of given) closeSync(fd);
  }
}

/** A container whose log is passed through has our own streams. */
function passedStreams(
  records: readonly PlanRecord[],
): readonly (readonly [child: number, parent: number])[] {
  const passes = records.some(([op, driver]) => op === 'log' && driver === 'passthrough');
  return passes ? [0, 1, 2].map((fd) => [fd, fd] as const) : [];
}

const firstPreserved = 32;

/** What the process of an exec session gets besides its standard streams. */
export function preserved(
  records: readonly PlanRecord[],
): readonly (readonly [child: number, parent: number])[] {
  const count = Number(records.find(([op]) => op === 'preserve-fds')?.[1] ?? 0);
  return Array.from({ length: count }, (_, index) => [firstPreserved + index, 3 + index] as const);
}

/** What records of the plan name, in memory only. */
function giveData(data: Uint8Array | undefined): readonly (readonly [child: number, parent: number])[] {
  return data === undefined || data.length === 0
    ? []
    : [[dataDescriptor, addon().memfd('coracle-data', data)]];
}

/** Becomes the foreground client of a container, exec session or attach: this process is replaced, and its exit code is the container's. */
export function handOver(
  command: SupervisorCommand,
  records: readonly PlanRecord[],
  data?: Uint8Array,
): never {
  if (command === 'attach') return becomeClient(records, []);
  const plan = addon().memfd('coracle-plan', encodePlan(records));
  const [theirs, ours] = addon().socketPair();
  const passed = passedStreams(records);
  const own = [[planDescriptor, plan] as const, [clientDescriptor, theirs] as const];
  const fds = [
    ...(passed.length > 0 ? passed : [[2, 2] as const]),
    ...own,
    ...giveData(data),
    ...preserved(records),
  ];
  const program = nativePath('coracle-sv');
  addon().spawn(program, ['coracle-sv', command, 'served'], environment(), { fds });
  return becomeClient(clientRecords(records), [[clientDescriptor, ours]]);
}

/** Taking Node down takes as long as a tenth of a start: the supervisor is at work meanwhile. */
function becomeClient(
  records: readonly PlanRecord[],
  fds: readonly (readonly [child: number, parent: number])[],
): never {
  const plan = addon().memfd('coracle-plan', encodePlan(records));
  const words = ['coracle-sv', 'attach', ...(fds.length === 0 ? [] : ['served'])];
  return addon().execve(nativePath('coracle-sv'), words, environment(), [[planDescriptor, plan], ...fds]);
}

/** What of a start's plan is about its client. */
function clientRecords(records: readonly PlanRecord[]): readonly PlanRecord[] {
  const ops = ['tty', 'detach-keys', 'sig-proxy'];
  if (!records.some(([op]) => op === 'output-only')) ops.push('stdin');
  return records.filter(([op]) => ops.includes(op));
}

export type ChildStreams = {
  /** Descriptors for the process's standard streams; /dev/null where absent. */
  readonly stdin?: number | undefined;
  readonly stdout?: number | undefined;
  readonly stderr?: number | undefined;
};

/**
 * A supervisor of mode `child`, which dies with this process, or `foreground`. `status` is a descriptor to read status lines from until its end;
 * `data` is what records of the plan name, in memory only.
 */
export function startChild(
  records: readonly PlanRecord[],
  streams: ChildStreams,
  data?: Uint8Array,
): { readonly pid: number; readonly status: number } {
  const plan = addon().memfd('coracle-plan', encodePlan(records));
  const given = giveData(data);
  const [read, write] = addon().pipe();
  try {
    const named = [streams.stdin, streams.stdout, streams.stderr].flatMap((parent, child) =>
      parent === undefined ? [] : [[child, parent] as const],
    );
    const pid = spawnSupervisor('run', [
      ...named,
      [planDescriptor, plan],
      [statusDescriptor, write],
      ...given,
    ]);
    return { pid, status: read };
  } catch (error) {
    closeSync(read);
    throw error;
  } finally {
    closeSync(plan);
    closeSync(write);
    for (const [, fd] of given) closeSync(fd);
  }
}

/**
 * A supervisor of mode `foreground` whose client, with our standard streams, is a child of this process; waits for the
 * client's end. The status lines, and the exit code of the client.
 */
export function runForeground(
  records: readonly PlanRecord[],
  data?: Uint8Array,
): { readonly code: number; readonly status: string } {
  const { pid, status } = startChild(records, { stdin: 0, stdout: 1, stderr: 2 }, data);
  try {
    const { code = 125 } = addon().waitpid(pid, false) ?? {};
    return { code, status: `${[...readLines(status)].join('\n')}\n` };
  } finally {
    closeSync(status);
  }
}

function spawnSupervisor(
  command: SupervisorCommand,
  fds: readonly (readonly [child: number, parent: number])[],
): number {
  const pid = addon().spawn(nativePath('coracle-sv'), ['coracle-sv', command], environment(), {
    fds,
    cwd: '/',
  });
  logger().debug({ command, pid }, 'supervisor started');
  return pid;
}

/** newuidmap and pasta are looked up in PATH; TERM is for nobody here. */
export function environment(): readonly string[] {
  return [`PATH=${process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin'}`];
}

function readStarted(descriptor: number): Started {
  const warnings: Extract<Status, { kind: 'warn' }>[] = [];
  for (const line of readLines(descriptor)) {
    const status = parseStatus(line);
    if (status.kind === 'started') return { pid: status.pid, warnings };
    if (status.kind === 'error') throw startError(status);
    if (status.kind === 'warn') warnings.push(status);
  }
  throw new CoracleError('START', 'start container: its supervisor ended without a word', {
    hint: 'coracle doctor says what this host lacks',
  });
}

/** The lines of a descriptor until its end, waiting for each. */
export function* readLines(descriptor: number): Generator<string> {
  const buffer = Buffer.allocUnsafe(4096);
  let text = '';
  for (let count = readSync(descriptor, buffer); count > 0; count = readSync(descriptor, buffer)) {
    text += buffer.toString('latin1', 0, count);
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    yield* lines;
  }
}
