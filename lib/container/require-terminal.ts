/** `-it` wants a terminal to read from: without one the process would wait for an end of input that a terminal never has. */
import { CoracleError } from '../errors.js';
import { addon } from '../native/addon.js';

/** @throws USAGE when a terminal with input is asked for and our standard input is none. As docker, with exit code 1. */
export function requireTerminal(options: {
  readonly tty?: boolean | undefined;
  readonly interactive?: boolean | undefined;
}): void {
  if (options.tty !== true || options.interactive !== true || addon().isatty(0)) return;
  throw new CoracleError('USAGE', 'attach terminal: the input device is not a TTY', {
    hint: 'leave -t out where standard input is a pipe or a file',
    exitCode: 1,
  });
}
