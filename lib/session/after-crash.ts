/** The quick part of `system check`, after a process was killed over unfinished work. */
import { checkStore } from '../check/check.js';
import { CoracleError } from '../errors.js';
import { logger } from '../host/log.js';
import type { AllStores } from './session.js';

/** Looks at sizes and records and tells of errors; what only takes room is no matter here. Never throws for what it finds. */
export async function checkAfterCrash(
  stores: AllStores,
  onWarning: ((text: string) => void) | undefined,
): Promise<void> {
  try {
    const { errors, findings } = await checkStore(stores, stores, { depth: 'quick' });
    logger().debug({ errors }, 'store checked after a crash');
    if (errors === 0) return;
    const first = findings.find(({ level }) => level === 'error');
    const more = errors > 1 ? ` and ${errors - 1} more` : '';
    onWarning?.(
      `a command was killed over its work, and the store is damaged: ${first?.object}: ${first?.problem}${more}; see coracle system check`,
    );
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    onWarning?.(`a command was killed over its work, and the store cannot be checked: ${error.message}`);
  }
}
