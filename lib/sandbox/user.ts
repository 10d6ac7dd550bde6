/** `--user` texts. Names are resolved inside the container; only what is wrong in any image is refused here. */
import { CoracleError } from '../errors.js';

/** Ids are 32-bit with the upper half reserved; a wrapped one would be somebody else (S10). */
const largestId = 2 ** 31 - 1;

/**
 * Checks `USER[:GROUP]`, each a name or a number.
 * @throws USAGE for empty parts, numbers out of range, and characters that no account has.
 */
export function parseUser(text: string): string {
  const parts = text.split(':');
  const fault =
    parts.length > 2 ? 'more than one colon' : parts.map(partFault).find((each) => each !== undefined);
  if (fault === undefined || text === '') return text;
  throw new CoracleError('USAGE', `parse user "${text}": ${fault}`, {
    hint: 'give a name or number, and behind a colon a group name or number',
  });
}

function partFault(part: string): string | undefined {
  if (part === '') return 'an empty name';
  if (/^-/.test(part)) return `"${part}" begins with a dash`;
  if (/^\d+$/.test(part)) return Number(part) > largestId ? `${part} is above ${largestId}` : undefined;
  return /[\s/\0]/.test(part) ? `"${part}" has a character no name has` : undefined;
}
