/** A program on a pseudo-terminal, driven as a person would: type, wait for text, resize. */
import { setTimeout as sleep } from 'node:timers/promises';
import pty from 'node-pty';

export type TerminalOptions = {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly rows?: number;
  readonly columns?: number;
};

export type Terminal = {
  readonly pid: number;
  /** Everything printed so far, with its control sequences. */
  text(): string;
  write(input: string): void;
  resize(columns: number, rows: number): void;
  /** Waits until the text printed after the last match fits `pattern`; throws with the text after `timeout` ms (default 20,000). */
  waitFor(pattern: RegExp | string, timeout?: number): Promise<string>;
  /** The exit, with a signal number of 0 for a plain one. */
  readonly exit: Promise<{ readonly code: number; readonly signal: number }>;
  /** Ends the program by SIGKILL if it still runs. */
  kill(): void;
};

/** Starts a program on a terminal of 80 columns and 24 rows unless told otherwise. */
export function openTerminal(
  program: string,
  args: readonly string[],
  options: TerminalOptions = {},
): Terminal {
  const child = pty.spawn(program, [...args], {
    name: 'xterm',
    cols: options.columns ?? 80,
    rows: options.rows ?? 24,
    cwd: options.cwd ?? process.cwd(),
    env: { ...options.env },
  });
  let printed = '';
  let seen = 0;
  let running = true;
  child.onData((chunk) => {
    printed += chunk;
  });
  const exit = new Promise<{ code: number; signal: number }>((resolve) => {
    child.onExit(({ exitCode, signal }) => {
      running = false;
      resolve({ code: exitCode, signal: signal ?? 0 });
    });
  });
  return {
    pid: child.pid,
    exit,
    text: () => printed,
    write: (input) => child.write(input),
    resize: (columns, rows) => child.resize(columns, rows),
    waitFor: async (pattern, timeout = 20_000) => {
      for (const deadline = Date.now() + timeout; Date.now() < deadline; await sleep(20)) {
        const found = find(printed.slice(seen), pattern);
        if (found === undefined) continue;
        seen += found.end;
        return found.match;
      }
      throw new Error(
        `wait for ${pattern}: not within ${timeout} ms, printed: ${JSON.stringify(printed.slice(seen))}`,
      );
    },
    kill: () => {
      if (running) child.kill('SIGKILL');
    },
  };
}

function find(text: string, pattern: RegExp | string): { match: string; end: number } | undefined {
  if (typeof pattern === 'string') {
    const index = text.indexOf(pattern);
    return index < 0 ? undefined : { match: pattern, end: index + pattern.length };
  }
  const match = pattern.exec(text);
  return match === null ? undefined : { match: match[0], end: match.index + match[0].length };
}
