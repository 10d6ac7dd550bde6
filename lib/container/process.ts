/** The process of a container, merged from the image's config and what was asked for. Pure. */
import { posix } from 'node:path';
import { CoracleError } from '../errors.js';
import type { ContainerConfig } from '../oci/container-config.js';
import { parseUser } from '../sandbox/user.js';
import type { ContainerProcess } from './record.js';
import type { RunOptions } from './run-options.js';

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The arguments' two halves: they stay apart for `inspect`. */
export type CommandLine = { readonly entrypoint: readonly string[]; readonly command: readonly string[] };

/**
 * Docker's rule: arguments replace the image's Cmd; an entrypoint option replaces the image's and drops its Cmd.
 * @throws USAGE when nothing is left to run.
 */
export function mergeCommand(options: RunOptions, config: ContainerConfig, image: string): CommandLine {
  const given = options.command ?? [];
  const entrypoint = options.entrypoint ?? config.Entrypoint ?? [];
  const fallback = options.entrypoint === undefined ? (config.Cmd ?? []) : [];
  const command = given.length > 0 ? given : fallback;
  if (entrypoint.length + command.length > 0) return { entrypoint, command };
  throw new CoracleError('USAGE', `create container from ${image}: the image names no command`, {
    hint: 'give one after the image, such as: coracle run IMAGE COMMAND',
  });
}

/** The whole process. @throws USAGE for a relative working directory, a malformed user or variable. */
export function mergeProcess(
  options: RunOptions,
  config: ContainerConfig,
  line: CommandLine,
  hostname: string,
): ContainerProcess {
  const tty = options.tty ?? false;
  return {
    args: [...line.entrypoint, ...line.command],
    env: mergeEnvironment([
      [`PATH=${defaultPath}`, ...ownVariables(hostname), ...(tty ? [terminalVariable] : [])],
      (config.Env ?? []).filter(isAssignment),
      checkEnvironment(options.env ?? []),
    ]),
    cwd: workingDirectory(options.workdir, config.WorkingDir),
    user: parseUser(options.user ?? config.User ?? ''),
    tty,
    interactive: options.interactive ?? false,
  };
}

/** What a container is told of itself, unless its image or a person says otherwise. */
function ownVariables(hostname: string): readonly string[] {
  return [`HOSTNAME=${hostname}`, 'container=coracle'];
}

const terminalVariable = 'TERM=xterm';

/** The environment of an image made of a container: without what is true of this container alone. */
export function lastingEnvironment(
  env: readonly string[],
  hostname: string,
  image: ContainerConfig,
): readonly string[] {
  const passing = new Set([...ownVariables(hostname), terminalVariable]);
  return env.filter((entry) => !passing.has(entry) || image.Env?.includes(entry) === true);
}

/** Joins lists of `NAME=value`; the last value of a name wins, its first place stays. */
export function mergeEnvironment(lists: readonly (readonly string[])[]): string[] {
  const values = new Map<string, string>();
  for (const entry of lists.flat()) {
    const equals = entry.indexOf('=');
    values.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return [...values].map(([name, value]) => `${name}=${value}`);
}

/** Variables that a person gave. @throws USAGE for one without a name, an equals sign, or with a NUL. */
export function checkEnvironment(env: readonly string[]): readonly string[] {
  const bad = env.find((entry) => !isAssignment(entry));
  if (bad === undefined) return env;
  throw new CoracleError('USAGE', `set environment "${bad}": expected NAME=value`);
}

/** Entries of an image that are none are data to be passed over, never looked up on the host (S28). */
function isAssignment(entry: string): boolean {
  return entry.indexOf('=') > 0 && !entry.includes('\0');
}

/** Where a command starts: absolute, clean. */
export function workingDirectory(wanted: string | undefined, configured: string | undefined): string {
  if (wanted !== undefined && !wanted.startsWith('/')) {
    throw new CoracleError('USAGE', `set working directory "${wanted}": not an absolute path`);
  }
  return posix.resolve('/', wanted ?? configured ?? '/');
}
