/** What a supervisor could not apply, in words. */
import { errnoName, type Status } from '../native/status.js';

/** One sentence without a full stop. */
export function startWarning({ stage, errno, object }: Extract<Status, { kind: 'warn' }>): string {
  const reason = errno === 0 ? '' : `: ${errnoName(errno)}`;
  return `${stage}: ${object}${reason}`;
}
