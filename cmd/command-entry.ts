/** A row of the table of commands. */
import type { Command } from './command.js';

export type CommandEntry = {
  /** One word, or a group's word and a verb of one or two: `builder prune`, `image trust show`. Aliases alike. */
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly group: 'Build and run' | 'Containers' | 'Images' | 'Registries' | 'This host';
  readonly load: () => Promise<{ readonly command: Command }>;
};

/** Makes a row. */
export function entry(
  group: CommandEntry['group'],
  name: string,
  summary: string,
  load: CommandEntry['load'],
  aliases: readonly string[] = [],
): CommandEntry {
  return { name, aliases, summary, group, load };
}
