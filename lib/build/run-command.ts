/** How a RUN's command becomes the arguments of a process, and a CMD's those of the image config. */
import { runBody } from '../dockerfile/heredoc.js';
import type { Command } from '../dockerfile/instructions.js';

/** A file a RUN sees below `/dev/pipes`, read-only and executable. */
export type RunFile = { readonly name: string; readonly data: string };

export type RunCommand = { readonly args: readonly string[]; readonly files: readonly RunFile[] };

/** Where heredocs with a shebang line are mounted. */
export const runFilesDirectory = '/dev/pipes';

/** The process of a RUN; shell and heredoc forms go through `shell`. */
export function runCommand(command: Command, shell: readonly string[]): RunCommand {
  if (command.form === 'exec') return { args: command.args, files: [] };
  const body = runBody(command);
  if (body.kind === 'script') return { args: [...shell, body.script], files: [] };
  return {
    args: [...shell, `${runFilesDirectory}/${body.name}`],
    files: [{ name: body.name, data: body.data }],
  };
}

/** A CMD, ENTRYPOINT or HEALTHCHECK as the image config keeps it. */
export function configCommand(command: Command, shell: readonly string[]): readonly string[] {
  return command.form === 'exec' ? command.args : [...shell, command.script];
}
