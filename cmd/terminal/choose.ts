/** A choice from a list at the terminal. */
import { isatty } from 'node:tty';
import { CoracleError } from '../../lib/index.js';
import { say, visible } from './output.js';
import { askLine } from './prompt.js';

/** Shows the choices with numbers and asks until one of them is given; undefined without a terminal. @throws ABORTED for no choice */
export function choose(question: string, choices: readonly string[]): string | undefined {
  if (!isatty(0) || !isatty(2)) return undefined;
  say(visible(question));
  for (const [at, choice] of choices.entries()) say(`  ${at + 1}  ${visible(choice)}`);
  for (let attempt = 0; attempt < 5; attempt++) {
    const answer = askLine(`1 to ${choices.length}: `).trim();
    const chosen = /^\d{1,4}$/.test(answer) ? choices[Number(answer) - 1] : undefined;
    if (chosen !== undefined) return chosen;
    if (answer === '') break;
  }
  throw new CoracleError('ABORTED', 'choose an image: nothing chosen');
}
