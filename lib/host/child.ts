/** Child processes of Node, where what it leaves to an event is told at once. */
import type { ChildProcess } from 'node:child_process';
import { CoracleError } from '../errors.js';

/** What to do where descriptors run out. */
export const descriptorsHint = 'raise the limit of open files: ulimit -n';

/**
 * A child just spawned. Where there are no descriptors for its pipes Node makes neither them nor the child, and says so by an
 * event that comes after whoever wanted the pipes has met nothing. @throws HOST then
 */
export function startedChild<T extends ChildProcess>(child: T, name: string): T {
  const streams: readonly unknown[] = [child.stdin, child.stdout, child.stderr];
  if (child.pid !== undefined || streams.some((stream) => stream !== undefined)) return child;
  child.once('error', () => undefined);
  throw new CoracleError('HOST', `start ${name}: too many open files`, { hint: descriptorsHint });
}
