/** Data goes to standard output, talk to standard error; both by writeSync, which costs nothing at start-up. */
import { writeSync } from 'node:fs';
import { hasErrno } from '../lib/index.js';

/** Writes all of `data`, waiting for a slow reader; a reader that went away (EPIPE) ends the process quietly. */
export function writeAll(fd: number, data: string | Uint8Array): void {
  let bytes = typeof data === 'string' ? Buffer.from(data) : data;
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(fd, bytes));
    } catch (error) {
      if (hasErrno(error, 'EPIPE')) process.exit(fd === 1 ? 141 : 1);
      if (!hasErrno(error, 'EAGAIN')) throw error;
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

/** Prints rows under headings in columns three blanks apart, as docker does. */
export function printTable(headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [headings, ...rows.map((row) => row.map(visible))];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  for (const row of all) {
    const cells = row.map((cell, column) =>
      column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0),
    );
    printLine(cells.join('   ').trimEnd());
  }
}

/** Text from an image or a container with its control characters made visible, so that it cannot drive the terminal. */
export function visible(text: string): string {
  // biome would flag a literal control range; the class is spelled by code point on purpose.
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
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

/** `3 minutes`: the age in docker's words. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}
