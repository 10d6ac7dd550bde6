/**
 * The debugging log, off unless --debug or CORACLE_DEBUG asks for it: loading pino takes longer than the rest
 * of a container's start.
 */
import type { Environment } from './paths.js';

/** The part of pino's interface the library uses: an object of facts and one short line. */
export type Logger = {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
};

const silence = (): void => undefined;
const silent: Logger = { debug: silence, info: silence, warn: silence };
let current = silent;

/** Whether the environment asks for the log. */
export function wantsLog(env: Environment): boolean {
  return env.CORACLE_DEBUG !== undefined && env.CORACLE_DEBUG !== '' && env.CORACLE_DEBUG !== '0';
}

/** Loads the log once; from then on `logger()` writes JSON lines to standard error, complete even when the process dies. */
export async function enableLog(): Promise<void> {
  if (current !== silent) return;
  // Bundled, a CommonJS module has its exports in `default` alone.
  const { default: pino } = await import('pino');
  current = pino({ level: 'debug', base: { pid: process.pid } }, pino.destination({ fd: 2, sync: true }));
}

/** The log, or one that says nothing. */
export function logger(): Logger {
  return current;
}
