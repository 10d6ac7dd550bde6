/** Options of the commands that end containers. */
import type { OptionSpec } from '../command.js';

export const timeOption = {
  name: 'time',
  short: 't',
  kind: 'number',
  value: 'SECONDS',
  aliases: ['timeout'],
  summary: 'Seconds before it is killed (default: as the container was made with)',
} as const satisfies OptionSpec;
