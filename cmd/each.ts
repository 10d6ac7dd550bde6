/** Commands on several things go on after one that fails; the last failure's exit code is the command's. */
import { CoracleError, type ErrorCode, renderError } from '../lib/index.js';
import type { Context } from './command.js';
import { printLine, say, visible } from './terminal/output.js';

/** podman's codes of `rm`: 1 for one that does not exist, 2 for one that runs. */
export const removalCodes: Readonly<Partial<Record<ErrorCode, number>>> = { NOT_FOUND: 1, IN_USE: 2 };

/**
 * Does `action` for each name in turn. Failures are told at once; one without an exit code of its own counts as
 * `codes` says, else as 125.
 */
export async function forEach(
  names: readonly string[],
  context: Context,
  action: (name: string) => Promise<void>,
  codes: typeof removalCodes = {},
): Promise<number> {
  let code = 0;
  for (const name of names) {
    try {
      await action(name);
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      say(visible(renderError(error, { stack: context.globals.debug })));
      code = error.exitCode ?? codes[error.code] ?? 125;
    }
  }
  return code;
}

/** Tells failures of work that was done for many at once; the exit code. */
export function sayFailures(failures: readonly { readonly error: CoracleError }[], context: Context): number {
  for (const { error } of failures) say(visible(renderError(error, { stack: context.globals.debug })));
  return failures.length > 0 ? 1 : 0;
}

/** As `forEach`, but all begin at once, for what is mostly waiting; prints the names for which `action` says so, in order. */
export async function forEachTogether(
  names: readonly string[],
  context: Context,
  action: (name: string) => Promise<boolean>,
): Promise<number> {
  const begun = new Map(names.map((name) => [name, settled(action(name))]));
  return forEach([...begun.keys()], context, async (name) => {
    const outcome = await begun.get(name);
    if (outcome?.error !== undefined) throw outcome.error;
    if (outcome?.value === true) printLine(name);
  });
}

/** A failure that nobody awaits yet must not end the process. */
async function settled(
  work: Promise<boolean>,
): Promise<{ readonly value?: boolean; readonly error?: unknown }> {
  try {
    return { value: await work };
  } catch (error) {
    return { error };
  }
}
