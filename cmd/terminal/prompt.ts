/** Asking the person at the terminal. */
import { readSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { CoracleError, hasErrno } from '../../lib/index.js';
import { say, writeAll } from './output.js';

/** Asks for a line on standard error and reads it from the terminal on standard input. */
export function askLine(question: string): string {
  writeAll(2, question);
  const bytes: number[] = [];
  for (let byte = readByte(); byte !== undefined && byte !== 0x0a; byte = readByte()) bytes.push(byte);
  return Buffer.from(bytes).toString('utf8').replace(/\r$/, '');
}

const enter = [0x0a, 0x0d];
const erase = [0x08, 0x7f];
const interrupt = 0x03;
const endOfInput = 0x04;
const eraseLine = 0x15;

/** As `askLine`, but what is typed does not show. */
export function askSecret(question: string): string {
  const terminal = new ReadStream(0);
  writeAll(2, question);
  terminal.setRawMode(true);
  try {
    return readSecret();
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
    say('');
  }
}

function readSecret(): string {
  const bytes: number[] = [];
  for (let byte = readByte(); byte !== undefined; byte = readByte()) {
    if (enter.includes(byte) || byte === endOfInput) break;
    if (byte === interrupt) throw new CoracleError('ABORTED', 'ask password: interrupted', { exitCode: 130 });
    if (byte === eraseLine) bytes.length = 0;
    else if (erase.includes(byte)) dropCharacter(bytes);
    else bytes.push(byte);
  }
  return Buffer.from(bytes).toString('utf8');
}

/** Takes the last character's bytes away: what follows a UTF-8 lead byte begins with 10. */
function dropCharacter(bytes: number[]): void {
  for (let byte = bytes.pop(); byte !== undefined && (byte & 0xc0) === 0x80; byte = bytes.pop());
}

function readByte(): number | undefined {
  const buffer = Buffer.alloc(1);
  for (;;) {
    try {
      return readSync(0, buffer) === 0 ? undefined : buffer[0];
    } catch (error) {
      if (!hasErrno(error, 'EAGAIN')) throw error;
      // A terminal that some other program left non-blocking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
