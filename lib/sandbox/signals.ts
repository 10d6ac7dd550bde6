/** Signal names and numbers of Linux on x86_64 and arm64. signal(7) */
import { constants } from 'node:os';
import { CoracleError } from '../errors.js';

/** First and last real-time signal as libc numbers them. */
const realtime = { first: 34, last: 64 } as const;

/**
 * The number of `TERM`, `SIGTERM`, `15`, `RTMIN+3`, in any case.
 * @throws USAGE for anything else.
 */
export function parseSignal(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  const number = /^\d+$/.test(name) ? Number(name) : (realtimeNumber(name) ?? namedNumber(name));
  if (number !== undefined && number >= 1 && number <= realtime.last) return number;
  throw new CoracleError('USAGE', `parse signal "${text}": no such signal`, {
    hint: 'give a name such as TERM or SIGKILL, or a number from 1 to 64',
  });
}

/** `SIGTERM` for 15; the number as text where it has no name. */
export function signalName(number: number): string {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found?.[0] ?? `${number}`;
}

function namedNumber(name: string): number | undefined {
  const entry = Object.entries(constants.signals).find(([key]) => key === `SIG${name}`);
  return entry?.[1];
}

function realtimeNumber(name: string): number | undefined {
  const match = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (match === null) return undefined;
  const base = match[1] === 'MIN' ? realtime.first : realtime.last;
  return base + (match[2] === '-' ? -1 : 1) * Number(match[3] ?? 0);
}
