/** Doing something again and again until the person has seen enough. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { CoracleError } from '../lib/index.js';
import { interruptible } from './interrupt.js';
import { writeAll } from './terminal/output.js';

/** Repeats `action` every so many seconds, on a terminal with a cleared screen. The exit code: interrupted. */
export async function repeat(flag: string, seconds: number, action: () => Promise<void>): Promise<number> {
  if (!(seconds > 0 && seconds < 86_400)) {
    throw new CoracleError('USAGE', `invalid argument "${seconds}" for ${flag}: must be a number of seconds`);
  }
  return interruptible(async (signal) => {
    while (!signal.aborted) {
      if (isatty(1)) writeAll(1, '\u001b[H\u001b[2J');
      await action();
      await pause(seconds, signal);
    }
    return 130;
  });
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(seconds * 1000, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
