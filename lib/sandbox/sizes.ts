/** Sizes as people write them. */
import { CoracleError } from '../errors.js';

/**
 * Bytes of `512`, `64m`, `1.5g`, `10kb`, `2GiB`: binary units, whatever the spelling, as docker and podman read them.
 * @throws USAGE naming `what` for anything else.
 */
export function parseSize(text: string, what: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes = match === null ? Number.NaN : Number(match[1]) * 1024 ** 'bkmgt'.indexOf(unitOf(match[2]));
  if (Number.isSafeInteger(Math.floor(bytes))) return Math.floor(bytes);
  throw new CoracleError('USAGE', `parse ${what} "${text}": not a size`, {
    hint: 'give a number of bytes, or one with b, k, m, g or t behind it, such as 64m',
  });
}

function unitOf(letter: string | undefined): string {
  return letter === undefined || letter === '' ? 'b' : letter.toLowerCase();
}
