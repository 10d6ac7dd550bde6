/** The containers of a pod, for commands that others do the work of. */
import { CoracleError } from '../lib/index.js';
import type { Context } from './command.js';

/** Ids of the members, or of the one that is asked for. @throws NOT_FOUND */
export async function podContainers(
  pod: string,
  wanted: string | undefined,
  context: Context,
): Promise<readonly string[]> {
  const { name, members } = await context.open().pod(pod);
  const records = members.map(({ record }) => record);
  if (wanted === undefined) return records.map(({ id }) => id);
  const one = records.find((record) => record.name === wanted || record.id.startsWith(wanted));
  if (one !== undefined) return [one.id];
  throw new CoracleError('NOT_FOUND', `find container ${wanted}: pod ${name} has no such container`);
}
