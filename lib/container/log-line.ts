/** Lines of log files, in the two formats that supervisors write. Pure. */

/** A piece of output: a line with its newline, or a part of one without. */
export type LogEntry = {
  /** RFC 3339 with nanoseconds, UTC. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  readonly data: Buffer;
};

/** Reads one line of a log with its newline; undefined for one that was torn by a full disk or a crash. */
export function parseLogLine(line: Buffer, format: 'k8s-file' | 'json-file'): LogEntry | undefined {
  return format === 'json-file' ? parseJsonLine(line) : parsePlainLine(line);
}

const byte = { space: 0x20, full: 0x46, part: 0x50, e: 0x65, o: 0x6f } as const;

/** `TIME STREAM F|P TEXT`, the container runtime interface's format; TEXT is raw bytes. */
function parsePlainLine(line: Buffer): LogEntry | undefined {
  const space = line.indexOf(byte.space);
  const [stream, afterStream, flag, afterFlag] = [
    line[space + 4],
    line[space + 7],
    line[space + 8],
    line[space + 9],
  ];
  if (space < 0 || afterStream !== byte.space || afterFlag !== byte.space) return undefined;
  if ((stream !== byte.e && stream !== byte.o) || (flag !== byte.full && flag !== byte.part))
    return undefined;
  return {
    time: line.toString('latin1', 0, space),
    stream: stream === byte.e ? 'stderr' : 'stdout',
    data: line.subarray(space + 10, flag === byte.full ? line.length : line.length - 1),
  };
}

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
