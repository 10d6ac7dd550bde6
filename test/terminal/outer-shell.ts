/** A person's shell on a terminal, with the tool in its path: what stays there when the tool is done. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Cli } from '../helpers/cli.js';
import { repositoryRoot } from '../helpers/host.js';
import { openTerminal, type Terminal, type TerminalOptions } from '../helpers/terminal.js';

/** Words for a container that leaves nothing and needs no network. */
export const quiet = ['--rm', '--network', 'none'] as const;

export type OuterShell = Terminal & {
  /** Types a line. */
  type(line: string): void;
  /** The settings of the terminal, as stty writes them, once the shell's prompt is back. */
  settings(): Promise<string>;
};

/** Starts the shell, whose prompt is `outer$ `, and waits for the prompt. */
export async function openOuterShell(
  t: ExecutionContext<unknown>,
  cli: Cli,
  options: TerminalOptions = {},
): Promise<OuterShell> {
  const env = {
    ...cli.env,
    CORACLE_ROOT: cli.root,
    PATH: `${join(repositoryRoot(), 'dist')}:${cli.env.PATH}`,
    PS1: 'outer$ ',
    ...options.env,
  };
  const terminal = openTerminal('/bin/sh', ['-i'], { cwd: cli.directory, ...options, env });
  t.teardown(() => terminal.kill());
  await terminal.waitFor('outer$ ');
  const type = (line: string): void => terminal.write(`${line}\r`);
  let asked = 0;
  return {
    ...terminal,
    type,
    settings: async () => {
      const mark = `asked${++asked}`;
      type(`echo ${mark}:$(stty -g):`);
      return (await terminal.waitFor(new RegExp(`${mark}:([0-9a-f:]+):\r`))).replace(mark, '');
    },
  };
}

/** The ids of a process' children. */
export function childrenOf(pid: number): number[] {
  return processTable(['--ppid', String(pid)], 'pid');
}

/** The process that keeps a running container: the parent of the parent of its first process. */
export async function supervisorOf(cli: Cli, container: string): Promise<number> {
  const first = Number(await cli.ok(['inspect', '-f', '{{.State.Pid}}', container]));
  const [infrastructure = 0] = processTable(['--pid', String(first)], 'ppid');
  const [supervisor = 0] = processTable(['--pid', String(infrastructure)], 'ppid');
  return supervisor;
}

function processTable(selection: readonly string[], column: 'pid' | 'ppid'): number[] {
  const { stdout } = spawnSync('ps', ['-o', `${column}=`, ...selection], { encoding: 'utf8' });
  const lines = stdout.split('\n').filter((line) => line.trim() !== '');
  return lines.map(Number);
}
