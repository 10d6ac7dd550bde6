/**
 * The one error class of the library, and the codes a caller may branch on.
 *
 * A message reads `verb object: reason` in lower case with the offending value, e.g.
 * `open image debian:13: not in the store`. `hint` says what the user can do about it.
 */
import { posix } from 'node:path';

/** What kind of failure it is. Codes are stable: programs may branch on them, never on messages. */
export type ErrorCode =
  /** The command line or an API argument is wrong. */
  | 'USAGE'
  /** A value (reference, digest, tar, JSON, record, Dockerfile) is malformed. */
  | 'INVALID'
  /** The thing named does not exist. */
  | 'NOT_FOUND'
  /** The name, tag, container or port is taken. */
  | 'CONFLICT'
  /** Somebody holds it: a running container, an image that a container uses. */
  | 'IN_USE'
  /** Parsed and understood, but this version does not do it. */
  | 'UNSUPPORTED'
  /** This host lacks something that is needed; the hint says how to get it. */
  | 'HOST'
  /** Content does not match its digest or declared size. */
  | 'INTEGRITY'
  /** A registry refused the credentials, or none were given. */
  | 'UNAUTHORIZED'
  /** What the user or the host configured forbids it: a policy for images, a blocked registry. */
  | 'FORBIDDEN'
  /** A registry or URL could not be reached, or broke off. */
  | 'NETWORK'
  /** A registry answered with an error of its own. */
  | 'REGISTRY'
  /** A file or system call failed. */
  | 'IO'
  /** No space left on the store's file system. */
  | 'NO_SPACE'
  /** A container or build process could not be started: exit code 125, 126 or 127. */
  | 'START'
  /** A build step failed. */
  | 'BUILD'
  /** The caller aborted. */
  | 'ABORTED'
  /** A defect of ours. */
  | 'INTERNAL';

/** What an error has besides its code and its message. */
export type ErrorDetails = {
  readonly cause?: unknown;
  /** What the user can do, one or two sentences or a command. */
  readonly hint?: string;
  /** The process exit code a command should end with, where it is not 125. */
  readonly exitCode?: number;
  /** Where in a text the trouble is, rendered below the message (file, line, caret). */
  readonly excerpt?: string;
};

/** Every failure of the library. The message reads `verb object: reason`, and stands in one line. */
export class CoracleError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;
  readonly excerpt: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'CoracleError';
    this.code = code;
    this.hint = details.hint;
    this.exitCode = details.exitCode;
    this.excerpt = details.excerpt;
  }
}

/** True when `error` is a system error with one of these errno names (`ENOENT`, ...). */
export function hasErrno(error: unknown, ...names: readonly string[]): error is NodeJS.ErrnoException {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && names.includes(code);
}

/** Wraps a failed file operation once: keeps the errno's meaning, turns a full disk into its own code. */
export function ioError(action: string, error: unknown): CoracleError {
  if (error instanceof CoracleError) return error;
  if (hasErrno(error, 'ENOSPC', 'EDQUOT')) {
    return new CoracleError('NO_SPACE', `${action}: no space left on the device`, {
      cause: error,
      hint: 'free space on that file system, or point --root at another one',
    });
  }
  const hint = ioHint(action, error);
  return new CoracleError('IO', `${action}: ${ioReason(action, error)}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Node's `EACCES: permission denied, open '/path'` without the call and without a path that the action names already. */
function ioReason(action: string, error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as NodeJS.ErrnoException;
  const reason = code === undefined ? null : /^[A-Z0-9]+: ([^,]+), /.exec(error.message);
  if (reason === null) return error.message;
  const named = path === undefined || action.includes(path) || action.includes(`${posix.dirname(path)}/`);
  return named ? `${reason[1]}` : `${path}: ${reason[1]}`;
}

/** What the errno asks of the user, where it asks something. */
function ioHint(action: string, error: unknown): string | undefined {
  if (hasErrno(error, 'EROFS')) return 'mount that file system writable, or point --root at another one';
  if (hasErrno(error, 'EACCES', 'EPERM')) {
    return 'ls -ld shows whose it is: give this user access to it and to the directories above';
  }
  if (hasErrno(error, 'ENOENT') && /^(write|create) /.test(action)) return 'make its directory first';
  if (hasErrno(error, 'EMFILE')) return 'raise the limit of open files: ulimit -n';
  return undefined;
}

/** Marks a branch the type system proves unreachable. */
export function assertNever(value: never): never {
  throw new CoracleError('INTERNAL', `handle value: unexpected ${JSON.stringify(value)}`);
}

/**
 * An error as people read it: `coracle: message`, the excerpt it points into, its hint; with `stack` also the chain
 * of causes. What is neither a CoracleError nor a system call's failure is a defect of ours and always shows its stack.
 */
export function renderError(thrown: unknown, options: { readonly stack?: boolean } = {}): string {
  const error = isSystemError(thrown) ? ioError(callOf(thrown), thrown) : thrown;
  if (!(error instanceof CoracleError)) return `coracle: unexpected error: ${stackOf(error)}\n${defectHint}`;
  const lines = [`coracle: ${error.message}`];
  if (error.excerpt !== undefined) lines.push(error.excerpt);
  if (error.hint !== undefined) lines.push(`hint: ${error.hint}`);
  if (options.stack === true) lines.push(...causesOf(error));
  return lines.join('\n');
}

/** Of a system call that failed: of this host, not of ours. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'errno' in error && 'syscall' in error && !(error instanceof CoracleError);
}

function callOf({ syscall = 'ask the system', path }: NodeJS.ErrnoException): string {
  return path === undefined ? syscall : `${syscall} ${path}`;
}

const defectHint = 'hint: this is a defect of coracle; run it again with --debug and report what it prints';

function causesOf(error: Error): string[] {
  const lines = [stackOf(error)];
  for (let cause = error.cause, depth = 0; cause !== undefined && depth < 10; depth++) {
    lines.push(`caused by: ${stackOf(cause)}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return lines;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
