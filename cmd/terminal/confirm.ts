/** A question before something is taken away. */
import { readSync } from 'node:fs';
import { isatty } from 'node:tty';
import { CoracleError, ioError } from '../../lib/index.js';
import { writeAll } from './output.js';

/**
 * Asks, and reads one line from standard input.
 * @throws USAGE where nobody can answer.
 */
export function confirm(question: string): boolean {
  writeAll(2, question);
  const answer = readLine();
  if (answer === undefined) {
    writeAll(2, '\n');
    if (isatty(0)) return false;
    throw new CoracleError('USAGE', 'ask before removing: standard input has no answer', {
      hint: 'use --force',
    });
  }
  return /^y(es)?$/i.test(answer.trim());
}

/** Up to the end of the line; undefined when there is nothing at all. */
function readLine(): string | undefined {
  const byte = Buffer.alloc(1);
  const bytes: number[] = [];
  try {
    while (readSync(0, byte) === 1 && byte[0] !== 0x0a) bytes.push(byte[0] ?? 0);
  } catch (error) {
    throw ioError('read standard input', error);
  }
  return bytes.length === 0 && byte[0] !== 0x0a ? undefined : Buffer.from(bytes).toString();
}
