/** How a RUN's command becomes the arguments of a process: exec form, shell form, and the three kinds of heredoc. */
import type { Command, Heredoc } from '../dockerfile/instructions.js';

/** A file a RUN sees below `/dev/pipes`, read-only and executable. */
export type RunFile = { readonly name: string; readonly data: string };

export type RunCommand = { readonly args: readonly string[]; readonly files: readonly RunFile[] };

/** Where heredocs with a shebang line are mounted. */
export const runFilesDirectory = '/dev/pipes';

/**
 * The process of a RUN. A lone heredoc is the shell's script, or, when it starts with `#!`, a program of its own; heredocs
 * inside a command line are given back to the shell, which knows what to do with them.
 */
export function runCommand(command: Command, shell: readonly string[]): RunCommand {
  if (command.form === 'exec') return { args: command.args, files: [] };
  const [first] = command.files;
  if (first === undefined) return { args: [...shell, command.script], files: [] };
  if (!isLoneHeredoc(command.script))
    return { args: [...shell, reconstitute(command.script, command.files)], files: [] };
  const data = bodyOf(first);
  if (!data.startsWith('#!')) return { args: [...shell, data], files: [] };
  return { args: [`${runFilesDirectory}/${first.name}`], files: [{ name: first.name, data }] };
}

/** A CMD, ENTRYPOINT or HEALTHCHECK as the image config keeps it. */
export function configCommand(command: Command, shell: readonly string[]): readonly string[] {
  return command.form === 'exec' ? command.args : [...shell, command.script];
}

function isLoneHeredoc(script: string): boolean {
  return /^\d*<<-?\s*(?:"[^"]+"|'[^']+'|[^\s"'<>]+)$/.test(script.trim());
}

function reconstitute(script: string, files: readonly Heredoc[]): string {
  return script + files.map((file) => `\n${file.data}${file.name}`).join('');
}

function bodyOf(file: Heredoc): string {
  return file.chomp ? file.data.replace(/^\t+/gm, '') : file.data;
}
