/** The built command line tool as a child process with a store and a runtime directory of its own. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { hasErrno } from '../../lib/errors.js';
import { missingUserNamespaces, repositoryRoot, temporaryDirectory } from './host.js';
import { openTerminal, type Terminal, type TerminalOptions } from './terminal.js';

/** How a child ended. `code` is null when a signal ended it. */
export type Outcome = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

export type RunOptions = {
  /** Bytes for standard input, which is empty otherwise. */
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** Set on top of the tool's environment; undefined removes. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** After this many milliseconds the child is killed and the call throws (default 60,000). */
  readonly timeout?: number;
};

export type Cli = {
  /** The directory that holds everything of this tool: `root`, `run`, `home`. */
  readonly directory: string;
  readonly root: string;
  readonly runtime: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs to the end, whatever the exit code. */
  run(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Runs to the end and returns standard output; throws with the child's words when the exit code is not 0. */
  ok(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts without waiting, with three pipes; killed when the test ends. */
  start(args: readonly string[], options?: Omit<RunOptions, 'input' | 'timeout'>): ChildProcess;
  /** Starts on a terminal; killed when the test ends. */
  terminal(args: readonly string[], options?: TerminalOptions): Terminal;
};

/**
 * A tool with an empty store below a fresh temporary directory. When the test ends, its containers are removed
 * before the directory is.
 */
export function openCli(t: ExecutionContext<unknown>): Cli {
  const directory = temporaryDirectory(t);
  const cli = cliIn(t, directory);
  t.teardown(() => removeContainers(cli));
  return cli;
}

/** The tool over a directory that the caller owns, for tests that open one store from several places. */
export function cliIn(t: ExecutionContext<unknown>, directory: string): Cli {
  const [root, runtime, home] = [join(directory, 'root'), join(directory, 'run'), join(directory, 'home')];
  for (const path of [root, runtime, home]) mkdirSync(path, { recursive: true, mode: 0o700 });
  const env = { ...plainEnvironment(), HOME: home, XDG_RUNTIME_DIR: runtime };
  const program = join(repositoryRoot(), 'dist', 'coracle');
  const run = (args: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
    runProgram(program, ['--root', root, ...args], { ...options, env: { ...env, ...options.env } });
  return {
    directory,
    root,
    runtime,
    env,
    run,
    ok: async (args, options) => expectSuccess(args, await run(args, options)),
    start: (args, options = {}) => {
      const child = spawn(program, ['--root', root, ...args], {
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        env: { ...env, ...options.env },
      });
      t.teardown(() => void child.kill('SIGKILL'));
      return child;
    },
    terminal: (args, options = {}) => {
      const terminal = openTerminal(program, ['--root', root, ...args], {
        ...options,
        env: { ...env, ...options.env },
      });
      t.teardown(() => terminal.kill());
      return terminal;
    },
  };
}

/** What a child of a test inherits: no settings of Node, no directories or proxies of the caller's session. */
export function plainEnvironment(): Record<string, string> {
  const kept = ['PATH', 'LANG', 'USER', 'LOGNAME', 'TMPDIR'];
  const env = Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  return { ...env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin`, TERM: 'xterm' };
}

/** How long what was killed may take to be gone, in milliseconds. */
const goneWithin = 10_000;

/**
 * Runs any program to its end with captured output.
 * @throws when it still runs after `timeout`, with what its session was waiting for; also when it does not go then.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  const timeout = options.timeout ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...plainEnvironment(), ...options.env },
      detached: true, // a process group of its own, so that a child that hangs goes with its own children
    });
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => undefined); // a child that reads nothing closes its end first
    child.stdin.end(options.input ?? '');
    const outcome = (code: number | null, signal: NodeJS.Signals | null): Outcome => {
      return { code, signal, stdout: text(stdout), stderr: text(stderr) };
    };
    let late = '';
    const giveUp = (): void => {
      reject(new Error(`${late}${render(outcome(child.exitCode, child.signalCode))}`));
    };
    let timer = setTimeout(() => {
      late = `run ${program} ${args.join(' ')}: still running after ${timeout} ms\n${sessionOf(child)}`;
      killGroup(child);
      // What left the group may hold the pipes open; the streams must not keep the test waiting for it.
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
      timer = setTimeout(() => {
        late += `not gone ${goneWithin} ms after SIGKILL\n${sessionOf(child)}`;
        giveUp();
      }, goneWithin);
    }, timeout);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (late === '') resolve(outcome(code, signal));
      else giveUp();
    });
  });
}

/** The processes of a child's session, what they are doing and in which call of the kernel they wait. */
function sessionOf({ pid }: ChildProcess): string {
  const columns = 'pid,ppid,stat,wchan:24,args';
  return spawnSync('ps', ['-o', columns, '--sid', String(pid)], { encoding: 'utf8' }).stdout;
}

/** The group may be gone while others hold the child's pipes. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!hasErrno(error, 'ESRCH')) throw error;
  }
}

function text(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}

function expectSuccess(args: readonly string[], outcome: Outcome): string {
  if (outcome.code === 0) return outcome.stdout;
  throw new Error(`coracle ${args.join(' ')}: exit ${outcome.code ?? outcome.signal}\n${render(outcome)}`);
}

function render(outcome: Outcome): string {
  return `stdout: ${outcome.stdout}\nstderr: ${outcome.stderr}`;
}

/** The holders of pods are not listed; they go with their pods. */
async function removeContainers(cli: Cli): Promise<void> {
  if (missingUserNamespaces() !== undefined || !hasContainers(cli)) return;
  const ids = (await cli.run(['ps', '-aq'])).stdout.split('\n').filter((id) => id !== '');
  if (ids.length > 0) await cli.ok(['rm', '-f', ...ids]);
  if (hasContainers(cli)) await cli.run(['pod', 'rm', '-f', '-t', '0', '-a']);
}

function hasContainers({ root }: Cli): boolean {
  const directory = join(root, 'containers');
  return existsSync(directory) && readdirSync(directory).some((name) => !name.startsWith('.'));
}
