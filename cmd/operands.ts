/** Which containers a command works on. */
import { CoracleError } from '../lib/index.js';
import type { Context } from './command.js';

/** The operands, or all containers of a kind; one of both must be given, and not both. */
export async function namesOrAll(
  command: string,
  operands: readonly string[],
  every: 'running' | 'all' | undefined,
  context: Context,
): Promise<readonly string[]> {
  if (every === undefined && operands.length > 0) return operands;
  if (every === undefined || operands.length > 0) {
    const reason =
      every === undefined ? 'needs at least 1 argument, got 0' : '--all and names exclude each other';
    throw new CoracleError('USAGE', `coracle ${command}: ${reason}`, {
      hint: `usage: coracle ${command} [OPTIONS] CONTAINER...`,
    });
  }
  const found = await context.open().containers({ all: every === 'all' });
  return found.map(({ name }) => name);
}
