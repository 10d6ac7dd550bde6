/** What a supervisor says on its status descriptor, and what its failures mean to a person. native/PROTOCOL.md 2.4. */
import { constants } from 'node:os';
import { CoracleError } from '../errors.js';

export type Status =
  | { readonly kind: 'ready' | 'started'; readonly pid: number }
  | { readonly kind: 'warn'; readonly stage: string; readonly errno: number; readonly object: string }
  | {
      readonly kind: 'error';
      readonly stage: string;
      readonly errno: number;
      readonly object: string;
      readonly exitCode: number;
    }
  | { readonly kind: 'exit'; readonly code: number; readonly signal: number; readonly oom: boolean };

/** One status line without its newline. @throws INTERNAL for a line that is none. */
export function parseStatus(line: string): Status {
  const [kind, ...fields] = line.split(' ');
  switch (kind) {
    case 'ready':
    case 'started':
      return { kind, pid: Number(fields[0]) };
    case 'warn':
      return { kind, stage: fields[0] ?? '', errno: Number(fields[1]), object: decode(fields[2]) };
    case 'error':
      return {
        kind,
        stage: fields[0] ?? '',
        errno: Number(fields[1]),
        object: decode(fields[2]),
        exitCode: Number(fields[3] ?? 125),
      };
    case 'exit':
      return { kind, code: Number(fields[0]), signal: Number(fields[1]), oom: fields[2] === '1' };
    default:
      throw new CoracleError('INTERNAL', `read supervisor status: unknown line ${JSON.stringify(line)}`);
  }
}

function decode(text: string | undefined): string {
  return (text ?? '').replace(/(?:%[0-9A-Fa-f]{2})+/g, (bytes) =>
    Buffer.from(bytes.replaceAll('%', ''), 'hex').toString('utf8'),
  );
}

/** The name of an errno of this machine, e.g. `ENOENT`. */
export function errnoName(errno: number): string {
  const entry = Object.entries(constants.errno).find(([, number]) => number === errno);
  return entry?.[0] ?? `errno ${errno}`;
}

const hints: Readonly<Record<string, string>> = {
  publish: 'choose another host port, or stop what uses it',
  idmap: 'coracle doctor says what user namespaces need on this host',
  userns: 'coracle doctor says what user namespaces need on this host',
  overlay:
    'choose another driver with --storage-driver fuse-overlayfs or copy; coracle doctor says which work here',
  fuse: 'install fuse-overlayfs and make /dev/fuse accessible; coracle doctor says more',
  network:
    'choose another network with --network slirp4netns, host or none; coracle doctor says which work here',
  user: 'name a user of the image, or a number that the container has an id for; coracle info says how many those are',
};

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'no such address on this host',
  ENOEXEC: 'exec format error',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  EINVAL: 'invalid argument',
  EMFILE: 'too many open files',
};

/** A failed start as an error with the exit code the command should end with. */
export function startError(status: Extract<Status, { kind: 'error' }>): CoracleError {
  const name = status.errno === 0 ? '' : errnoName(status.errno);
  const reason = status.errno === 0 ? '' : `: ${reasons[name] ?? name}`;
  const hint = hints[status.stage];
  return new CoracleError('START', `start container: ${status.stage}: ${status.object}${reason}`, {
    exitCode: status.exitCode,
    ...(hint === undefined ? {} : { hint }),
  });
}
