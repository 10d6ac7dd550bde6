/** Whole processes: run one to its end, on the clock or off it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Command = {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

/**
 * Milliseconds from the start of a process to its end, as its parent sees them. Standard output goes to /dev/null,
 * standard error to a file.
 * @throws with the words on standard error when the exit code is not 0.
 */
export function timeCommand(command: Command): number {
  const log = join(tmpdir(), `bench-stderr-${process.pid}`);
  const descriptor = openSync(log, 'w');
  try {
    const began = process.hrtime.bigint();
    const ended = spawnSync(command.program, command.args, {
      env: command.env,
      stdio: ['ignore', 'ignore', descriptor],
    });
    const milliseconds = Number(process.hrtime.bigint() - began) / 1e6;
    if (ended.status === 0) return milliseconds;
    throw failure(
      command,
      ended.error?.message ?? `${ended.status ?? ended.signal}`,
      readFileSync(log, 'utf8'),
    );
  } finally {
    closeSync(descriptor);
    unlinkSync(log);
  }
}

/** Standard output of a command that is not measured. @throws as timeCommand does. */
export function runCommand(command: Command): string {
  const ended = spawnSync(command.program, command.args, {
    env: command.env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 26,
  });
  if (ended.status === 0) return ended.stdout;
  throw failure(command, ended.error?.message ?? `${ended.status ?? ended.signal}`, ended.stderr);
}

/** `command` in a shell that pipes its standard output into `consumer`; a failure of either is one of the whole. */
export function piped(command: Command, consumer: string): Command {
  return {
    program: 'bash',
    args: ['-c', `set -o pipefail; "$@" | ${consumer}`, 'bash', command.program, ...command.args],
    env: command.env,
  };
}

/** Waits without an event loop, which nothing here has while a process runs. */
export function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Asks `ready` every 20 ms. @throws when nothing came in ten seconds. */
export function waitFor<T>(what: string, ready: () => T | undefined): T {
  for (let attempt = 0; attempt < 500; attempt++) {
    const value = ready();
    if (value !== undefined) return value;
    sleep(20);
  }
  throw new Error(`wait for ${what}: nothing after 10 s`);
}

function failure(command: Command, how: string, stderr: string): Error {
  const words = [command.program, ...command.args].join(' ');
  return new Error(`run ${words}: ${how}\n${stderr.trim().slice(-2000)}`);
}

/** Writes out what earlier turns left dirty, so that the next one does not pay for it. */
export function settle(): void {
  execFileSync('sync');
}
