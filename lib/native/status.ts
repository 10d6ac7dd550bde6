/** What a supervisor says on its status descriptor, and what its failures mean to a person. native/PROTOCOL.md 2.4. */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { CoracleError } from '../errors.js';

export type Status =
  | { readonly kind: 'held' | 'created' | 'ready' | 'started'; readonly pid: number }
  | {
      readonly kind: 'warn';
      readonly stage: string;
      readonly errno: number;
      readonly object: string;
      /** For people: what was not applied and why. */
      readonly prose: string;
    }
  | {
      readonly kind: 'error';
      readonly stage: string;
      readonly errno: number;
      readonly object: string;
      readonly exitCode: number;
      /** For people: what failed and why, and after `\nhint: ` what they can do. */
      readonly prose: string;
    }
  | { readonly kind: 'exit'; readonly code: number; readonly signal: number; readonly oom: boolean };

/** One status line without its newline. @throws INTERNAL for a line that is none. */
export function parseStatus(line: string): Status {
  const [kind, ...fields] = line.split(' ');
  switch (kind) {
    case 'held':
    case 'created':
    case 'ready':
    case 'started':
      return { kind, pid: Number(fields[0]) };
    case 'warn':
      return {
        kind,
        stage: fields[0] ?? '',
        errno: Number(fields[1]),
        object: decode(fields[2]),
        prose: decode(fields[3]),
      };
    case 'error':
      return {
        kind,
        stage: fields[0] ?? '',
        errno: Number(fields[1]),
        object: decode(fields[2]),
        exitCode: Number(fields[3] ?? 125),
        prose: decode(fields[4]),
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

/** What an errno means, in words: `no such file or directory`. */
export function errnoText(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? errnoName(errno);
}

/** A failed start as an error with the exit code the command should end with. The words are the supervisor's. */
export function startError(status: Extract<Status, { kind: 'error' }>): CoracleError {
  const [message = '', hint] = status.prose.split('\nhint: ');
  return new CoracleError(startCode(status), message, {
    exitCode: status.exitCode,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** What is about the container itself is no failure of its start. */
function startCode({ stage, errno }: Extract<Status, { kind: 'error' }>): 'START' | 'IN_USE' | 'NOT_FOUND' {
  if (stage !== 'start') return 'START';
  if (errno === constants.errno.EBUSY) return 'IN_USE';
  return errno === constants.errno.ENOENT ? 'NOT_FOUND' : 'START';
}
