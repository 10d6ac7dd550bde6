/** A container's process as the native program gets it. */
import { addon } from '../native/addon.js';
import type { ProcessSpec } from '../sandbox/launch-spec.js';
import type { ContainerProcess } from './record.js';
import type { RunOptions } from './run-options.js';

/** What the process is started with; a terminal has the size of ours where there is one. */
export function processSpec(
  process: ContainerProcess,
  options: Pick<RunOptions, 'groups' | 'umask'>,
  mode: 'detach' | 'foreground',
): ProcessSpec {
  const keeps = options.groups?.includes('keep-groups') ?? false;
  const size = process.tty && mode === 'foreground' ? addon().ttySize(0) : null;
  return {
    args: process.args,
    env: process.env,
    cwd: process.cwd,
    user: process.user,
    groups: keeps ? [] : (options.groups ?? []),
    keepGroups: keeps,
    tty: process.tty ? { rows: size?.[0] || 24, columns: size?.[1] || 80 } : undefined,
    stdin: process.interactive ? (mode === 'foreground' ? 'once' : 'open') : undefined,
    umask: options.umask ?? 0o022,
  };
}
