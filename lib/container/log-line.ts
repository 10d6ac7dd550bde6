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

const byte = { space: 0x20, full: 0x46, part: 0x50, time: 0x54, zone: 0x5a, e: 0x65, o: 0x6f } as const;

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

/** Output as it was, without times. */
export type LogPiece = Pick<LogEntry, 'stream' | 'data'>;

const timeLength = '2026-01-01T00:00:00.000000000Z'.length;

/**
 * What the lines of a block say, neighbours of one stream as one piece. The pieces lie in the block itself, which is
 * overwritten: each line's head gives way to the text behind it. Torn lines are left out.
 */
export function* outputOf(block: Buffer): Generator<LogPiece> {
  let [from, to] = [0, 0];
  let current: LogEntry['stream'] = 'stdout';
  for (let start = 0, end = 0; start < block.length; start = end) {
    end = block.indexOf(10, start) + 1 || block.length;
    const space = hasFullTime(block, start, end) ? start + timeLength : block.indexOf(byte.space, start);
    const stream = streamAt(block, space, end);
    if (stream === undefined) continue;
    if (stream !== current) {
      if (to > from) yield { stream: current, data: block.subarray(from, to) };
      [current, from] = [stream, to];
    }
    const last = block[space + 8] === byte.full ? end : end - 1;
    block.copyWithin(to, space + 10, last);
    to += last - space - 10;
  }
  if (to > from) yield { stream: current, data: block.subarray(from, to) };
}

/** Whether a line begins with a time as supervisors write it: then its end need not be looked for. */
function hasFullTime(block: Buffer, start: number, end: number): boolean {
  return (
    start + timeLength < end &&
    block[start + timeLength] === byte.space &&
    block[start + timeLength - 1] === byte.zone &&
    block[start + 10] === byte.time
  );
}

/** The stream of a line whose time ends at `space`; undefined for what is no such line. */
function streamAt(block: Buffer, space: number, end: number): LogEntry['stream'] | undefined {
  if (space < 0 || space + 10 > end) return undefined;
  const [stream, flag] = [block[space + 4], block[space + 8]];
  if (block[space + 7] !== byte.space || block[space + 9] !== byte.space) return undefined;
  if (flag !== byte.full && flag !== byte.part) return undefined;
  return stream === byte.o ? 'stdout' : stream === byte.e ? 'stderr' : undefined;
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
