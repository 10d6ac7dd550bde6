/** Data goes to standard output, talk to standard error; both by writeSync, which costs nothing at start-up. */
import { readFileSync, writeSync } from 'node:fs';
import { hasErrno, ioError } from '../../lib/index.js';

/** Writes all of `data`, waiting for a slow reader; a reader that went away (EPIPE) ends the process quietly. */
export function writeAll(fd: number, data: string | Uint8Array): void {
  let bytes = typeof data === 'string' ? Buffer.from(data) : data;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      if (hasErrno(error, 'EPIPE')) process.exit(fd === 1 ? 141 : 1);
      if (!hasErrno(error, 'EAGAIN')) throw ioError('write output', error);
      // A non-blocking pipe or terminal is full: let its reader run.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}

/** Prints a line of data. */
export function printLine(text: string): void {
  writeAll(1, `${text}\n`);
}

/** Says something to the person, not to the pipe. */
export function say(text: string): void {
  writeAll(2, `${text}\n`);
}

/** Prints rows, under headings where there are any, in columns three blanks apart, as docker does. */
export function printTable(
  headings: readonly string[] | undefined,
  rows: readonly (readonly string[])[],
): void {
  const cells = rows.map((row) => row.map((cell) => visible(cell).replaceAll('\n', ' ')));
  const all = headings === undefined ? cells : [headings, ...cells];
  const count = Math.max(0, ...all.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...all.map((row) => (row[column] ?? '').length)),
  );
  for (const row of all) {
    const cells = row.map((cell, column) =>
      column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0),
    );
    printLine(cells.join('   ').trimEnd());
  }
}

/** Text from an image or a container with its control characters made visible, so that it cannot drive the terminal. */
export function visible(text: string): string {
  // Mostly there is nothing to do, and compiling the pattern loads Unicode's tables.
  if (!hasControls(text)) return text;
  return text.replace(/[^\P{Cc}\n\t]/gu, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

function hasControls(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x20 ? code !== 0x0a && code !== 0x09 : code >= 0x7f && code <= 0x9f) return true;
  }
  return false;
}

/**
 * One line of at most `columns` cells, with control characters visible and tabs and line ends as blanks: what a display
 * that is redrawn in place may print, since a line that wraps would leave its upper part behind.
 */
export function fitLine(text: string, columns: number): string {
  const line = visible(text).replaceAll('\t', '    ').replaceAll('\n', ' ');
  if (/^[\x20-\x7e]*$/.test(line)) return line.slice(0, Math.max(0, columns));
  let cells = 0;
  let end = 0;
  for (const character of line) {
    cells += cellsOf(character);
    if (cells > columns) break;
    end += character.length;
  }
  return line.slice(0, end);
}

function cellsOf(character: string): number {
  if (/\p{Mark}|\u200d/u.test(character)) return 0;
  const wide =
    /\p{Emoji_Presentation}|\p{sc=Han}|\p{sc=Hiragana}|\p{sc=Katakana}|\p{sc=Hangul}|[\u3000-\u303f\uff01-\uff60]/u;
  return wide.test(character) ? 2 : 1;
}

/** `7.38MB`: decimal units, three significant digits, as docker prints sizes. */
export function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : Number(value.toPrecision(3))}${units[unit]}`;
}

/** Everything on standard input, to its end. */
export function readInput(): Buffer {
  try {
    return readFileSync(0);
  } catch (error) {
    throw ioError('read standard input', error);
  }
}
