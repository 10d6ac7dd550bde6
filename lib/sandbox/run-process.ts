/** Runs one confined process to its end as a child of this one: a build's RUN. Its output comes as it is written. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { CoracleError } from '../errors.js';
import { addon } from '../native/addon.js';
import { parseStatus, type Status, startError } from '../native/status.js';
import { startChild } from '../native/supervisor.js';
import { launchData, planLaunch } from './launch-plan.js';
import type { LaunchSpec } from './launch-spec.js';

export type RunOutput = {
  /** 1 standard output, 2 standard error. The consumer is waited for when it returns a promise. */
  readonly onOutput: (stream: 1 | 2, chunk: Buffer) => void;
  readonly onWarning?: (text: string) => void;
  /** The process's standard input; none by default. */
  readonly input?: Readable | undefined;
  /** Aborting kills the process and everything it started. */
  readonly signal?: AbortSignal | undefined;
};

export type RunOutcome = { readonly code: number; readonly signal: number; readonly oom: boolean };

const killSignal = 9;

/**
 * Runs `spec`, whose mode must be `child`, and waits for its end and all of its output.
 * @throws START when it could not be started, ABORTED when `signal` fired.
 */
export async function runProcess(spec: LaunchSpec, output: RunOutput): Promise<RunOutcome> {
  const [outRead, outWrite] = addon().pipe();
  const [errorRead, errorWrite] = addon().pipe();
  const [inRead, inWrite] = output.input === undefined ? [undefined, undefined] : addon().pipe();
  let child: ReturnType<typeof startChild>;
  try {
    const streams = { stdin: inRead, stdout: outWrite, stderr: errorWrite };
    child = startChild(planLaunch(spec), streams, launchData(spec));
  } catch (error) {
    for (const fd of [outRead, errorRead, inWrite]) if (fd !== undefined) closeSync(fd);
    throw error;
  } finally {
    for (const fd of [outWrite, errorWrite, inRead]) if (fd !== undefined) closeSync(fd);
  }
  const stopInput = feed(output.input, inWrite);
  const abort = (): void => kill(child.pid);
  output.signal?.addEventListener('abort', abort, { once: true });
  if (output.signal?.aborted) abort();
  const lines: string[] = [];
  try {
    await Promise.all([
      consume(outRead, (chunk) => output.onOutput(1, chunk)),
      consume(errorRead, (chunk) => output.onOutput(2, chunk)),
      consume(child.status, (chunk) => lines.push(chunk.toString('latin1'))),
    ]);
  } finally {
    output.signal?.removeEventListener('abort', abort);
    stopInput();
    addon().waitpid(child.pid, false);
  }
  if (output.signal?.aborted) throw new CoracleError('ABORTED', 'run process: interrupted');
  return outcome(lines.join(''), output);
}

function kill(pid: number): void {
  // Not waited for yet, so the pid cannot be somebody else's.
  process.kill(pid, killSignal);
}

/** Passes input on until it ends or the process does, which need not read all of it. */
function feed(input: Readable | undefined, descriptor: number | undefined): () => void {
  if (input === undefined || descriptor === undefined) return () => undefined;
  const pipe = new Socket({ fd: descriptor, readable: false, writable: true });
  pipe.once('error', () => input.unpipe(pipe));
  input.pipe(pipe);
  return () => {
    input.unpipe(pipe);
    input.pause();
    pipe.destroy();
  };
}

/** Reads a pipe to its end; this process owns the descriptor. */
function consume(descriptor: number, onChunk: (chunk: Buffer) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const pipe = new Socket({ fd: descriptor, readable: true, writable: false });
    pipe.on('data', onChunk);
    pipe.once('error', reject);
    pipe.once('close', () => resolve());
  });
}

/** What the status lines of a supervisor that ended say. @throws START */
export function outcome(text: string, output: Pick<RunOutput, 'onWarning'>): RunOutcome {
  let exit: Extract<Status, { kind: 'exit' }> | undefined;
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const status = parseStatus(line);
    if (status.kind === 'error') throw startError(status);
    if (status.kind === 'exit') exit = status;
    if (status.kind === 'warn') output.onWarning?.(status.prose);
  }
  if (exit !== undefined) return { code: exit.code, signal: exit.signal, oom: exit.oom };
  throw new CoracleError('START', 'run process: its supervisor ended without a word', {
    hint: 'it was killed, or the machine is out of memory',
  });
}
