/** Declares tests that need something of the machine. */
import test, { type ExecutionContext } from 'ava';
import type { Missing } from './host.js';

type Body = (t: ExecutionContext<unknown>) => Promise<void> | void;

/** Declares a test that runs alone in its file when nothing is missing, else a skipped one whose title says what. */
export function testWith(missing: readonly Missing[], title: string, body: Body): void {
  const reasons = missing.filter((reason) => reason !== undefined);
  if (reasons.length === 0) test.serial(title, body);
  else test.serial.skip(`${title} (needs: ${reasons.join('; ')})`, body);
}
