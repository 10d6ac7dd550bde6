/** Lines of log files, in the two formats that supervisors write. Pure. */
import type { LogSpec } from '../sandbox/launch-spec.js';

/** A piece of output: a line with its newline, or a part of one without. */
export type LogEntry = {
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
};

/** Reads one line of a log, without its newline; undefined for one that was torn by a full disk or a crash. */
export function parseLogLine(line: Buffer, format: LogSpec['driver']): LogEntry | undefined {
  return format === 'json-file' ? parseJsonLine(line) : parsePlainLine(line);
}

/** `TIME STREAM F|P TEXT`, the container runtime interface's format; TEXT is raw bytes. */
function parsePlainLine(line: Buffer): LogEntry | undefined {
  const head = /^(\S+) (stdout|stderr) ([FP]) /.exec(line.toString('latin1', 0, 64));
  const [all, time, stream, flag] = head ?? [];
  if (all === undefined || time === undefined) return undefined;
  const text = line.subarray(all.length);
  const data = flag === 'F' ? Buffer.concat([text, newline]) : text;
  return { time, stream: stream === 'stderr' ? 'stderr' : 'stdout', data };
}

const newline = Buffer.from('\n');

function parseJsonLine(line: Buffer): LogEntry | undefined {
  const value = tryJson(line.toString('utf8'));
  if (typeof value !== 'object' || value === null || !('log' in value) || !('time' in value))
    return undefined;
  if (typeof value.log !== 'string' || typeof value.time !== 'string') return undefined;
  const stream = 'stream' in value && value.stream === 'stderr' ? 'stderr' : 'stdout';
  return { time: value.time, stream, data: Buffer.from(value.log) };
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether `time` is not before `limit`; both RFC 3339 in UTC, fractions of any length. */
export function notBefore(time: string, limit: string): boolean {
  return comparable(time) >= comparable(limit);
}

/** Fixed-width digits, so that text order is time order. */
function comparable(time: string): string {
  const match = /^(.{19})(?:\.(\d+))?/.exec(time);
  return `${match?.[1] ?? time}.${(match?.[2] ?? '').padEnd(9, '0')}`;
}
