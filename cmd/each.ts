/** Commands on several things go on after one that fails; the last failure's exit code is the command's. */
import { CoracleError, renderError } from '../lib/index.js';
import type { Context } from './command.js';
import { say, visible } from './terminal/output.js';

/** Does `action` for each name in turn. Failures are told at once; a failure without an exit code of its own counts as 1. */
export async function forEach(
  names: readonly string[],
  context: Context,
  action: (name: string) => Promise<void>,
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      await action(name);
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      say(visible(renderError(error, { stack: context.globals.debug })));
      code = error.exitCode ?? 1;
    }
  }
  return code;
}
